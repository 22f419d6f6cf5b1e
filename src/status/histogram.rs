//! Log-linear latency histogram: sixteen buckets per power of two, so that a bucket is at most 1/16 of its value wide.
//!
//! Pure arithmetic: which bucket a value falls into, and what a copy of the buckets says. Values from 2^43 ns (2.4 h) on share the
//! last bucket.

/// Buckets of one histogram: values below 16 have one each, every power of two from 2^4 to 2^42 has sixteen.
pub const BUCKETS: usize = 16 * 40;
const SUB_BITS: u32 = 4;

/// Bucket of `value`.
pub fn bucket_of(value: u64) -> usize {
    if value < 1 << SUB_BITS {
        return value as usize;
    }
    let exponent = 63 - value.leading_zeros();
    let sub = (value >> (exponent - SUB_BITS)) & ((1 << SUB_BITS) - 1);
    let bucket = (((exponent - SUB_BITS + 1) << SUB_BITS) as u64 + sub) as usize;
    bucket.min(BUCKETS - 1)
}

/// Highest value of `bucket`.
pub fn bucket_top(bucket: usize) -> u64 {
    if bucket < 1 << SUB_BITS {
        return bucket as u64;
    }
    let exponent = (bucket >> SUB_BITS) as u32 + SUB_BITS - 1;
    let sub = (bucket & ((1 << SUB_BITS) - 1)) as u64;
    let width = 1u64 << (exponent - SUB_BITS);
    (1u64 << exponent) + (sub + 1) * width - 1
}

/// Value that `per_million` of the values do not exceed: the top of its bucket, never more than `max`. Zero without values.
pub fn percentile(buckets: &[u64], per_million: u64, max: u64) -> u64 {
    let count = buckets.iter().map(|&n| n as u128).sum::<u128>();
    if count == 0 {
        return 0;
    }
    let wanted = (count * per_million as u128).div_ceil(1_000_000).max(1);
    let mut seen = 0u128;
    for (bucket, &n) in buckets.iter().enumerate() {
        seen += n as u128;
        if seen >= wanted {
            return bucket_top(bucket).min(max);
        }
    }
    max
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_join_without_gap() {
        for bucket in 1..BUCKETS {
            assert_eq!(bucket_of(bucket_top(bucket)), bucket);
            assert_eq!(bucket_of(bucket_top(bucket - 1) + 1), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_of_known_values() {
        let mut buckets = vec![0u64; BUCKETS];
        (1..=1000u64).for_each(|us| buckets[bucket_of(us * 1000)] += 1);
        for (per_million, exact) in [(500_000, 500_000), (990_000, 990_000), (999_000, 999_000)] {
            let got = percentile(&buckets, per_million, 1_000_000);
            assert!(
                got >= exact && got <= exact + exact / 16,
                "{per_million}: {got}"
            );
        }
        assert_eq!(percentile(&buckets, 1_000_000, 1_000_000), 1_000_000);
        assert_eq!(percentile(&[0; BUCKETS], 500_000, 0), 0);
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_a_sixteenth_wide(value in 0u64..1 << 43) {
            let top = bucket_top(bucket_of(value));
            prop_assert!(top >= value && top - value <= value / 16);
        }
    }
}
