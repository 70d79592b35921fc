//! Secrets at rest: what must be read back is sealed, what must only be recognised is hashed.
//!
//! A 32-byte master key, which never touches the database, wraps random data keys; those seal values with
//! AES-256-GCM and the row's identity as associated data, so that a ciphertext moved to another row (or
//! another environment) can't be opened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, anyhow};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use store::{Db, params};
use zeroize::Zeroizing;

use crate::random::Random;
use crate::{Clock, Error, Result};

const KEY_LENGTH: usize = 32;
/// Of 32 random bytes about 30 differ; fewer than this is nothing chance would make in the age of the world.
const MIN_DISTINCT: usize = 12;
const FORMAT: u8 = 1;
/// Format byte and data key number.
const HEADER_LENGTH: usize = 5;

/// The root key of a deployment: 32 bytes from a file, the environment or a command.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_LENGTH]>);

impl MasterKey {
    /// A fresh key.
    pub fn generate(random: &Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    /// Reads a key in Base64 (standard or URL-safe, 32 bytes once decoded).
    pub fn parse(text: &str) -> Result<Self, anyhow::Error> {
        let text = text.trim();
        let bytes = STANDARD
            .decode(text)
            .or_else(|_| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')))
            .map(Zeroizing::new)
            .map_err(|_| anyhow!("the master key isn't Base64"))?;
        let key: [u8; KEY_LENGTH] =
            bytes.as_slice().try_into().map_err(|_| anyhow!("the master key isn't 32 bytes long"))?;
        let distinct: BTreeSet<u8> = key.iter().copied().collect();
        if distinct.len() < MIN_DISTINCT {
            return Err(anyhow!(
                "the master key is a pattern, not a secret: `portcullis key master` makes one"
            ));
        }
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key in Base64, for the file it is kept in.
    pub fn encode(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// The data keys of a deployment, unwrapped.
pub struct Keyring {
    active: u32,
    keys: BTreeMap<u32, LessSafeKey>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").field("active", &self.active).finish_non_exhaustive()
    }
}

impl Keyring {
    /// Unwraps the data keys in the database, making the first if there is none yet. A master key that
    /// can't unwrap them is an error, and nothing is written.
    pub async fn open(
        db: &Db,
        master: &MasterKey,
        clock: &Clock,
        random: &Random,
    ) -> Result<Self, anyhow::Error> {
        let wrapping = aead_key(master.0.as_slice())?;
        let mut rows = Self::load(db).await?;
        if rows.is_empty() {
            let key = Zeroizing::new(random.bytes::<KEY_LENGTH>());
            let wrapped = seal_with(&wrapping, random, &data_key_identity(1), key.as_slice())?;
            let now = clock.now();
            store::transaction!(db, |tx| {
                tx.execute(
                    "INSERT INTO data_keys (id, wrapped, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
                    params![1_i64, wrapped.as_slice(), now],
                )
                .await?;
                Ok::<_, Error>(())
            })
            .map_err(|error| anyhow!("{error}"))?;
            // Another node may have been first; its key is the one that stands.
            rows = Self::load(db).await?;
        }
        let mut keys = BTreeMap::new();
        for (id, wrapped) in rows {
            let id = u32::try_from(id).context("data key number")?;
            let key = open_with(&wrapping, &data_key_identity(id), &wrapped)
                .map(Zeroizing::new)
                .context("the master key doesn't fit this database: it can't unwrap its data keys")?;
            keys.insert(id, aead_key(&key)?);
        }
        let active = *keys.keys().next_back().context("no data key")?;
        Ok(Self { active, keys })
    }

    async fn load(db: &Db) -> Result<Vec<(i64, Vec<u8>)>, store::Error> {
        db.read("SELECT id, wrapped FROM data_keys ORDER BY id", params![]).await
    }

    /// Encrypts a secret for one row. `identity` names the row and column, for example
    /// `signing_key:sso_key_01…`; opening needs the same.
    pub fn seal(&self, random: &Random, identity: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let key = self.keys.get(&self.active).ok_or_else(|| Error::internal("no active data key"))?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&self.active.to_be_bytes());
        sealed.extend_from_slice(&seal_with(key, random, identity.as_bytes(), secret)?);
        Ok(sealed)
    }

    /// Decrypts what [`Keyring::seal`] made for the same identity. Every failure is the same error.
    pub fn open_sealed(&self, identity: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.try_open(identity, sealed).ok_or_else(|| Error::internal("a sealed value can't be opened"))
    }

    /// As [`Keyring::open_sealed`], for values that travelled through a browser: a failure is an answer,
    /// not a fault.
    pub fn try_open(&self, identity: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (header, ciphertext) = sealed.split_at_checked(HEADER_LENGTH)?;
        let (format, number) = header.split_first()?;
        if *format != FORMAT {
            return None;
        }
        let key = self.keys.get(&u32::from_be_bytes(number.try_into().ok()?))?;
        open_with(key, identity.as_bytes(), ciphertext).map(Zeroizing::new)
    }
}

fn data_key_identity(id: u32) -> Vec<u8> {
    format!("data_key:{id}").into_bytes()
}

fn aead_key(bytes: &[u8]) -> Result<LessSafeKey, anyhow::Error> {
    UnboundKey::new(&AES_256_GCM, bytes).map(LessSafeKey::new).map_err(|_| anyhow!("not an AES-256 key"))
}

fn seal_with(
    key: &LessSafeKey,
    random: &Random,
    identity: &[u8],
    secret: &[u8],
) -> Result<Vec<u8>, anyhow::Error> {
    let nonce: [u8; NONCE_LEN] = random.bytes();
    let mut buffer = secret.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(identity), &mut buffer)
        .map_err(|_| anyhow!("sealing failed"))?;
    let mut sealed = nonce.to_vec();
    sealed.append(&mut buffer);
    Ok(sealed)
}

fn open_with(key: &LessSafeKey, identity: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
    let mut buffer = ciphertext.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let length = key.open_in_place(nonce, Aad::from(identity), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

/// The form in which API keys, codes and other tokens of high entropy are stored: SHA-256 in lower-case hex.
/// Looking a token up by its hash leaks nothing about it through timing.
pub fn hash_token(token: &str) -> String {
    hex(digest::digest(&digest::SHA256, token.as_bytes()).as_ref())
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// Compares in time that depends only on the lengths.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(random: &Random) -> Keyring {
        let key = aead_key(&random.bytes::<32>()).unwrap();
        Keyring { active: 1, keys: BTreeMap::from([(1, key)]) }
    }

    #[test]
    fn opens_only_for_the_identity_it_was_sealed_for() {
        let random = Random::system();
        let keyring = keyring(&random);
        let sealed = keyring.seal(&random, "a:1", b"secret").unwrap();
        assert_eq!(keyring.open_sealed("a:1", &sealed).unwrap().as_slice(), b"secret");
        assert!(keyring.try_open("a:2", &sealed).is_none());
        for index in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[index] ^= 1;
            assert!(keyring.try_open("a:1", &altered).is_none(), "byte {index}");
            assert!(keyring.try_open("a:1", &sealed[..index]).is_none(), "cut at {index}");
        }
    }

    #[test]
    fn master_keys_must_be_32_bytes_of_something() {
        assert!(MasterKey::parse("").is_err());
        assert!(MasterKey::parse(&STANDARD.encode([7; 31])).is_err());
        assert!(MasterKey::parse(&STANDARD.encode([7; 32])).is_err());
        assert!(MasterKey::parse(&STANDARD.encode("passwordpasswordpasswordpassword")).is_err());
        let key = MasterKey::generate(&Random::system());
        assert_eq!(MasterKey::parse(&key.encode()).unwrap().encode(), key.encode());
    }
}
