//! CPU features by the code generator's names, and their detection on this machine.

/// Every feature that the code generator can use on `architecture` ("x86_64", "aarch64").
pub fn known(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "x86_64" => &[
            "has_cmpxchg16b",
            "has_sse3",
            "has_ssse3",
            "has_sse41",
            "has_sse42",
            "has_avx",
            "has_avx2",
            "has_fma",
            "has_popcnt",
            "has_bmi1",
            "has_bmi2",
            "has_lzcnt",
            "has_avx512bitalg",
            "has_avx512dq",
            "has_avx512f",
            "has_avx512vbmi",
            "has_avx512vl",
            "has_avx_vnni",
            "has_avx512vnni",
        ],
        "aarch64" => &["has_lse", "has_pauth", "has_fp16", "has_dotprod", "has_i8mm"],
        _ => &[],
    }
}

/// The features of x86-64-v4 in the order of the levels: -v2 has the first six, -v3 the first twelve. The levels are those of the psABI;
/// the code generator has no use for their other instructions (F16C, MOVBE, AVX512BW, AVX512CD).
const X86_64_V4: &[&str] = &[
    "has_cmpxchg16b",
    "has_popcnt",
    "has_sse3",
    "has_sse41",
    "has_sse42",
    "has_ssse3",
    // x86-64-v3.
    "has_avx",
    "has_avx2",
    "has_bmi1",
    "has_bmi2",
    "has_fma",
    "has_lzcnt",
    // x86-64-v4.
    "has_avx512dq",
    "has_avx512f",
    "has_avx512vl",
];

/// The named CPU levels of an architecture, the lowest first, each with all its features.
pub fn levels(architecture: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match architecture {
        "x86_64" => {
            const LEVELS: &[(&str, &[&str])] = &[
                ("x86-64", &[]),
                ("x86-64-v2", X86_64_V4.split_at(6).0),
                ("x86-64-v3", X86_64_V4.split_at(12).0),
                ("x86-64-v4", X86_64_V4),
            ];
            LEVELS
        }
        "aarch64" => &[("aarch64", &[])],
        _ => &[],
    }
}

/// The name of the level that consists of exactly these features, each given once, if there is one.
pub fn level_of(architecture: &str, features: &[String]) -> Option<&'static str> {
    let is_it = |has: &[&str]| has.len() == features.len() && features.iter().all(|feature| has.contains(&feature.as_str()));
    levels(architecture).iter().find(|(_, has)| is_it(has)).map(|(name, _)| *name)
}

/// The highest level whose features this machine has.
pub fn own_level() -> Option<&'static str> {
    let here = |(_, has): &&(&str, &[&str])| has.iter().all(|feature| detected(feature) == Some(true));
    levels(std::env::consts::ARCH).iter().rev().find(here).map(|(name, _)| *name)
}

/// True if this machine has the feature; `None` for an unknown name.
pub fn detected(feature: &str) -> Option<bool> {
    #[cfg(target_arch = "x86_64")]
    {
        Some(match feature {
            "has_cmpxchg16b" => std::is_x86_feature_detected!("cmpxchg16b"),
            "has_sse3" => std::is_x86_feature_detected!("sse3"),
            "has_ssse3" => std::is_x86_feature_detected!("ssse3"),
            "has_sse41" => std::is_x86_feature_detected!("sse4.1"),
            "has_sse42" => std::is_x86_feature_detected!("sse4.2"),
            "has_avx" => std::is_x86_feature_detected!("avx"),
            "has_avx2" => std::is_x86_feature_detected!("avx2"),
            "has_fma" => std::is_x86_feature_detected!("fma"),
            "has_popcnt" => std::is_x86_feature_detected!("popcnt"),
            "has_bmi1" => std::is_x86_feature_detected!("bmi1"),
            "has_bmi2" => std::is_x86_feature_detected!("bmi2"),
            "has_lzcnt" => std::is_x86_feature_detected!("lzcnt"),
            "has_avx512bitalg" => std::is_x86_feature_detected!("avx512bitalg"),
            "has_avx512dq" => std::is_x86_feature_detected!("avx512dq"),
            "has_avx512f" => std::is_x86_feature_detected!("avx512f"),
            "has_avx512vbmi" => std::is_x86_feature_detected!("avx512vbmi"),
            "has_avx512vl" => std::is_x86_feature_detected!("avx512vl"),
            "has_avx_vnni" => std::is_x86_feature_detected!("avxvnni"),
            "has_avx512vnni" => std::is_x86_feature_detected!("avx512vnni"),
            _ => return None,
        })
    }
    #[cfg(target_arch = "aarch64")]
    {
        Some(match feature {
            "has_lse" => std::arch::is_aarch64_feature_detected!("lse"),
            "has_pauth" => std::arch::is_aarch64_feature_detected!("paca"),
            "has_fp16" => std::arch::is_aarch64_feature_detected!("fp16"),
            "has_dotprod" => std::arch::is_aarch64_feature_detected!("dotprod"),
            "has_i8mm" => std::arch::is_aarch64_feature_detected!("i8mm"),
            _ => return None,
        })
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = feature;
        None
    }
}

/// All features of this machine that code may be generated for.
pub fn native() -> Vec<String> {
    known(std::env::consts::ARCH).iter().filter(|name| detected(name) == Some(true)).map(|name| name.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_build_on_each_other_and_are_found_by_their_features() {
        for architecture in ["x86_64", "aarch64"] {
            let mut below: &[&str] = &[];
            for (name, has) in levels(architecture) {
                assert!(has.iter().all(|feature| known(architecture).contains(feature)), "{name}");
                assert!(below.iter().all(|feature| has.contains(feature)), "{name} lacks what the level below has");
                let features: Vec<String> = has.iter().map(|feature| feature.to_string()).collect();
                assert_eq!(level_of(architecture, &features), Some(*name));
                below = has;
            }
        }
        assert_eq!(level_of("x86_64", &["has_sse3".to_string()]), None);
        let own = own_level().unwrap();
        let (_, has) = levels(std::env::consts::ARCH).iter().find(|(name, _)| *name == own).unwrap();
        assert!(has.iter().all(|feature| native().contains(&feature.to_string())));
    }

    #[test]
    fn every_known_feature_of_this_architecture_can_be_detected() {
        for name in known(std::env::consts::ARCH) {
            assert!(detected(name).is_some(), "{name}");
        }
        assert_eq!(detected("has_warp_drive"), None);
    }
}
