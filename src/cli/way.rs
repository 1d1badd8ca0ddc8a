//! How files travel to a store and are kept there, as configurations and flags write it: rates, sizes, object locks.

use std::num::NonZeroU64;

use crate::archive::bytes_in;
use crate::cli::complain::Failure;
use crate::offsite::Lock;

/// What a configuration says of the object lock of a place; `whose` is what people call the place.
pub(crate) fn lock(whose: &str, mode: Option<&str>, days: Option<u32>) -> Result<Option<Lock>, Failure> {
    let compliance = match mode {
        None if days.is_some() => {
            return Err(Failure::usage(format!("{whose} has lock_days and no lock"))
                .hint("write lock = \"governance\" or lock = \"compliance\" to pdbak.toml as well"));
        }
        None => return Ok(None),
        Some("governance") => false,
        Some("compliance") => true,
        Some(other) => {
            return Err(Failure::usage(format!("{whose} wants the object lock {other}"))
                .hint("write lock = \"governance\" or lock = \"compliance\" to pdbak.toml"));
        }
    };
    match days.filter(|days| (1..=36_500).contains(days)) {
        Some(days) => Ok(Some(Lock { compliance, days })),
        None => Err(Failure::usage(format!("{whose} wants an object lock for no time"))
            .hint("write lock_days = 30 to pdbak.toml, or as many days as nobody may remove a file")),
    }
}

/// Reads bytes a second: `800`, `500k`, `2M`, `1G`.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let bytes = bytes_in(text).and_then(NonZeroU64::new);
    bytes.ok_or_else(|| format!("{text} is no rate such as 500k or 2M bytes a second"))
}

/// What a configuration says of a rate.
pub(crate) fn limit(written: Option<&str>) -> Result<Option<NonZeroU64>, Failure> {
    written.map(rate).transpose().map_err(Failure::usage)
}

/// Reads an amount of bytes: `500M`, `20G`, or `0` for none.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    bytes_in(text).ok_or_else(|| format!("{text} is no size such as 500M or 20G"))
}

#[cfg(test)]
mod tests {
    use super::{lock, rate, size};
    use crate::offsite::Lock;

    #[test]
    fn a_rate_is_a_number_with_a_unit() {
        let rate = |text: &str| rate(text).ok().map(u64::from);
        assert_eq!(
            [rate("800"), rate("500k"), rate("2M"), rate("1G")],
            [Some(800), Some(500_000), Some(2_000_000), Some(1_000_000_000)]
        );
        for text in ["", "0", "k", "-1", "1.5M", "99999999999G", "2 M"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_may_be_none_at_all() {
        assert_eq!((size("0"), size("20G")), (Ok(0), Ok(20_000_000_000)));
        assert!(size("much").is_err() && size("-1").is_err());
    }

    #[test]
    fn a_lock_has_a_mode_and_days() {
        let read = |mode, days| lock("the target vault", mode, days).map_err(|failure| failure.text());
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some("compliance"), Some(30)), Ok(Some(Lock { compliance: true, days: 30 })));
        for (mode, days) in [(Some("for ever"), Some(1)), (Some("governance"), None), (Some("governance"), Some(0))] {
            assert!(read(mode, days).is_err_and(|text| text.contains("the target vault") && text.contains("hint: ")));
        }
        assert!(read(None, Some(30)).is_err(), "days alone protect nothing");
    }
}
