//! Randomness, passed in: the operating system's in production, a seeded stream in tests.

use std::sync::Mutex;

use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Where random bytes come from.
#[derive(Debug)]
pub enum Random {
    System(SystemRandom),
    /// SHA-256 in counter mode over a seed: the same ids and tokens in each test run.
    Seeded {
        seed: u64,
        counter: Mutex<u64>,
    },
}

impl Random {
    /// The operating system's generator.
    pub fn system() -> Self {
        Self::System(SystemRandom::new())
    }

    /// A reproducible stream for tests; never for production.
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded { seed, counter: Mutex::new(0) }
    }

    /// Fills `buffer`. If the operating system has no randomness to give, the process ends: to go on with
    /// guessable secrets would be worse.
    pub fn fill(&self, buffer: &mut [u8]) {
        match self {
            Self::System(random) => {
                if random.fill(buffer).is_err() {
                    std::process::abort();
                }
            }
            Self::Seeded { seed, counter } => {
                let mut counter = counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for chunk in buffer.chunks_mut(32) {
                    *counter += 1;
                    let mut block = seed.to_be_bytes().to_vec();
                    block.extend_from_slice(&counter.to_be_bytes());
                    let digest = digest::digest(&digest::SHA256, &block);
                    for (to, from) in chunk.iter_mut().zip(digest.as_ref()) {
                        *to = *from;
                    }
                }
            }
        }
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A string of `length` letters and digits, about 5.95 bits each.
    pub fn alphanumeric(&self, length: usize) -> String {
        let mut text = String::with_capacity(length);
        let mut buffer = [0; 64];
        while text.len() < length {
            self.fill(&mut buffer);
            // Bytes past the last whole multiple of 62 would favour the first letters.
            for byte in buffer.iter().filter(|byte| **byte < 248) {
                if let Some(letter) = ALPHANUMERIC.get(usize::from(byte % 62)) {
                    text.push(char::from(*letter));
                }
                if text.len() == length {
                    break;
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeded_streams_repeat_and_differ_by_seed() {
        assert_eq!(Random::seeded(1).bytes::<40>(), Random::seeded(1).bytes::<40>());
        assert_ne!(Random::seeded(1).bytes::<40>(), Random::seeded(2).bytes::<40>());
    }

    #[test]
    fn alphanumeric_has_the_length_asked_for() {
        let text = Random::system().alphanumeric(25);
        assert_eq!(text.len(), 25);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }
}
