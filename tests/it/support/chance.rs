//! Chance that can be had again: every random test draws from a seed that it prints when it fails.

/// Whether this is `make nightly`, which draws more, and anew each time.
pub fn is_nightly() -> bool {
    std::env::var_os("TECHCARE_DB_TEST_NIGHTLY").is_some()
}

/// The seed: that of `TECHCARE_DB_TEST_SEED`, else the clock's at night, else always the same.
pub fn seed() -> u64 {
    match std::env::var("TECHCARE_DB_TEST_SEED") {
        Ok(text) => text.parse().expect("TECHCARE_DB_TEST_SEED is a number"),
        Err(_) if is_nightly() => std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        Err(_) => 20_241_124_u64,
    }
}

/// Numbers of a seed (SplitMix64).
pub struct Chance(pub u64);

impl Chance {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}
