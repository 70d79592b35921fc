//! Compiles `migrations/{sqlite,postgres}/NNNN_name.sql` into the crate, and fails when the two lists differ.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

type Files = BTreeMap<(u32, String), String>;

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../migrations");
    println!("cargo::rerun-if-changed=build.rs");
    let sqlite = read(&root.join("sqlite"))?;
    let postgres = read(&root.join("postgres"))?;
    if let Some((version, name)) = sqlite
        .keys()
        .chain(postgres.keys())
        .find(|key| !(sqlite.contains_key(*key) && postgres.contains_key(*key)))
    {
        return Err(format!("migration {version:04}_{name} is missing on one of the engines").into());
    }
    let mut versions = sqlite.keys().map(|(version, _)| version);
    let mut previous = versions.next();
    for version in versions {
        if previous == Some(version) {
            return Err(format!("two migrations have the number {version:04}").into());
        }
        previous = Some(version);
    }
    for ((version, name), text) in &sqlite {
        // A deferred foreign key would be checked by the COMMIT that many callers share.
        if text.to_ascii_uppercase().contains("DEFERR") {
            return Err(format!("migration {version:04}_{name}: foreign keys must be immediate").into());
        }
    }

    let mut list = String::from("&[\n");
    for (key, sqlite) in &sqlite {
        let (version, name) = key;
        let postgres = postgres.get(key).ok_or("checked above")?;
        writeln!(
            list,
            "Migration {{ version: {version}, name: {name:?}, sqlite: {sqlite:?}, postgres: {postgres:?} }},"
        )?;
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("migrations.rs"), list)?;
    Ok(())
}

fn read(folder: &Path) -> Result<Files, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(stem) = file.strip_suffix(".sql") else { continue };
        println!("cargo::rerun-if-changed={}", path.display());
        let (number, name) = stem.split_once('_').ok_or_else(|| format!("{file}: not NNNN_name.sql"))?;
        if number.len() != 4 {
            return Err(format!("{file}: not NNNN_name.sql").into());
        }
        let version: u32 = number.parse()?;
        if version == 0 {
            return Err(format!("{file}: numbers begin with 0001").into());
        }
        // Checksums must not depend on how git checked the file out.
        let text = fs::read_to_string(&path)?.replace("\r\n", "\n");
        files.insert((version, name.to_owned()), text);
    }
    Ok(files)
}
