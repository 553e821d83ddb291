//! Instructions for which the code generator needs a call or a long sequence if the processor lacks a feature, and their uses in a module.
//!
//! tests/cli/slow_instructions.py derives the table from what the compiler makes of each instruction, and compares.

use std::collections::BTreeMap;

use rtwasm::engine::artifact::Slow;
use rtwasm::engine::cpu_features;
use rtwasm::status::*;
use wasmparser::{Operator, Parser, Payload};

use crate::options::Target;
use crate::place;

/// The means by which an instruction does its work without the feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A call of the engine: floating-point rounding, or a shuffle.
    Call,
    /// Five instructions or more beyond the shortest sequence.
    Long,
}

use How::{Call, Long};

macro_rules! table {
    ($($operator:ident: $name:literal, $feature:literal, $how:ident;)*) => {
        /// An instruction's name, the feature that mends it, and the means.
        fn slow_without(operator: &Operator<'_>) -> Option<(&'static str, &'static str, How)> {
            match operator {
                $(Operator::$operator { .. } => Some(($name, $feature, $how)),)*
                _ => None,
            }
        }
    };
}

// x86-64 alone: on aarch64 every feature beyond the baseline is for atomic accesses and dot products, and saves less.
table! {
    I32Popcnt: "i32.popcnt", "has_sse42", Long;
    I64Popcnt: "i64.popcnt", "has_sse42", Long;
    F32Ceil: "f32.ceil", "has_sse41", Call;
    F32Floor: "f32.floor", "has_sse41", Call;
    F32Trunc: "f32.trunc", "has_sse41", Call;
    F32Nearest: "f32.nearest", "has_sse41", Call;
    F64Ceil: "f64.ceil", "has_sse41", Call;
    F64Floor: "f64.floor", "has_sse41", Call;
    F64Trunc: "f64.trunc", "has_sse41", Call;
    F64Nearest: "f64.nearest", "has_sse41", Call;
    F32x4Ceil: "f32x4.ceil", "has_sse41", Call;
    F32x4Floor: "f32x4.floor", "has_sse41", Call;
    F32x4Trunc: "f32x4.trunc", "has_sse41", Call;
    F32x4Nearest: "f32x4.nearest", "has_sse41", Call;
    F64x2Ceil: "f64x2.ceil", "has_sse41", Call;
    F64x2Floor: "f64x2.floor", "has_sse41", Call;
    F64x2Trunc: "f64x2.trunc", "has_sse41", Call;
    F64x2Nearest: "f64x2.nearest", "has_sse41", Call;
    I8x16ShrS: "i8x16.shr_s", "has_avx", Long;
    I8x16RelaxedLaneselect: "i8x16.relaxed_laneselect", "has_sse41", Long;
    I8x16MinS: "i8x16.min_s", "has_sse41", Long;
    I8x16MaxS: "i8x16.max_s", "has_sse41", Long;
    I32x4RelaxedLaneselect: "i32x4.relaxed_laneselect", "has_sse41", Long;
    I32x4GeU: "i32x4.ge_u", "has_sse41", Long;
    I32x4MinS: "i32x4.min_s", "has_sse41", Long;
    I32x4MinU: "i32x4.min_u", "has_sse41", Long;
    I32x4MaxS: "i32x4.max_s", "has_sse41", Long;
    I32x4MaxU: "i32x4.max_u", "has_sse41", Long;
    I32x4Mul: "i32x4.mul", "has_sse41", Long;
    I64x2LtS: "i64x2.lt_s", "has_sse42", Long;
    I64x2GtS: "i64x2.gt_s", "has_sse42", Long;
    I64x2LeS: "i64x2.le_s", "has_sse42", Long;
    I64x2GeS: "i64x2.ge_s", "has_sse42", Long;
    I64x2ShrS: "i64x2.shr_s", "has_avx", Long;
    I64x2RelaxedLaneselect: "i64x2.relaxed_laneselect", "has_sse41", Long;
    I64x2Mul: "i64x2.mul", "has_avx512dq", Long;
    I64x2ExtMulLowI32x4S: "i64x2.extmul_low_i32x4_s", "has_sse41", Long;
    I64x2ExtMulHighI32x4S: "i64x2.extmul_high_i32x4_s", "has_sse41", Long;
    I8x16Swizzle: "i8x16.swizzle", "has_ssse3", Call;
    I8x16RelaxedSwizzle: "i8x16.relaxed_swizzle", "has_ssse3", Call;
    I16x8Q15MulrSatS: "i16x8.q15mulr_sat_s", "has_ssse3", Long;
    I16x8RelaxedQ15mulrS: "i16x8.relaxed_q15mulr_s", "has_ssse3", Long;
    I16x8NarrowI32x4U: "i16x8.narrow_i32x4_u", "has_sse41", Long;
    I16x8RelaxedDotI8x16I7x16S: "i16x8.relaxed_dot_i8x16_i7x16_s", "has_ssse3", Long;
    I32x4RelaxedDotI8x16I7x16AddS: "i32x4.relaxed_dot_i8x16_i7x16_add_s", "has_ssse3", Long;
    I8x16Popcnt: "i8x16.popcnt", "has_ssse3", Long;
    I8x16Shuffle: "i8x16.shuffle", "has_ssse3", Call;
    I16x8ExtAddPairwiseI8x16S: "i16x8.extadd_pairwise_i8x16_s", "has_ssse3", Long;
    I16x8ExtAddPairwiseI8x16U: "i16x8.extadd_pairwise_i8x16_u", "has_ssse3", Long;
    I32x4TruncSatF32x4U: "i32x4.trunc_sat_f32x4_u", "has_sse41", Long;
    I32x4TruncSatF64x2UZero: "i32x4.trunc_sat_f64x2_u_zero", "has_sse41", Long;
    I32x4RelaxedTruncF32x4U: "i32x4.relaxed_trunc_f32x4_u", "has_sse41", Long;
    I32x4RelaxedTruncF64x2UZero: "i32x4.relaxed_trunc_f64x2_u_zero", "has_sse41", Long;
    F32x4ConvertI32x4U: "f32x4.convert_i32x4_u", "has_avx512f", Long;
}

/// The uses of slow instructions in a module, those with calls first, then by count.
pub fn find(module: &[u8], target: Target, features: &[String]) -> Result<Vec<Slow>> {
    if target != Target::X86_64Linux {
        return Ok(Vec::new());
    }
    let unreadable = |error: wasmparser::Error| Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"));
    let mut found: BTreeMap<&str, Slow> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload.map_err(unreadable)? else { continue };
        let operators = body.get_operators_reader().map_err(unreadable)?;
        for operator in operators.into_iter_with_offsets() {
            let (operator, offset) = operator.map_err(unreadable)?;
            let Some((name, feature, how)) = slow_without(&operator) else { continue };
            if features.iter().any(|have| have == feature) {
                continue;
            }
            let first = || Slow {
                instruction: name.into(),
                count: 0,
                calls: how == Call,
                first: place::find(module, offset).function.map_or_else(String::new, |function| function.to_string()),
                mended_by: level_with(target, feature).into(),
            };
            found.entry(name).or_insert_with(first).count += 1;
        }
    }
    let mut all: Vec<Slow> = found.into_values().collect();
    all.sort_by_key(|slow| (!slow.calls, std::cmp::Reverse(slow.count)));
    Ok(all)
}

/// Refuses a module whose results are not the same everywhere, although it is to be compiled so: an instruction for which the code calls
/// the engine returns the NaN that this processor makes, and not the canonical one. That is so of roundings, and of products whose sum is
/// rounded once, where the processor has no instruction for them.
pub fn refuse_undetermined(module: &[u8], target: Target, features: &[String]) -> Result<()> {
    if target != Target::X86_64Linux {
        return Ok(());
    }
    let unreadable = |error: wasmparser::Error| Error::new(RTW_ERR_INTERNAL, format!("a valid module cannot be read: {error}"));
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload.map_err(unreadable)? else { continue };
        for operator in body.get_operators_reader().map_err(unreadable)?.into_iter_with_offsets() {
            let (operator, offset) = operator.map_err(unreadable)?;
            let Some((name, feature)) = calls_for_a_float(&operator) else { continue };
            if features.iter().any(|have| have == feature) {
                continue;
            }
            let place = place::find(module, offset).function.map_or_else(String::new, |function| format!(", {function}"));
            let level = level_with(target, feature);
            return Err(Error::new(
                RTW_ERR_UNSUPPORTED,
                format!(
                    "{name} is not deterministic on processors below {level}{place}: compile for {level} or a higher level"
                ),
            ));
        }
    }
    Ok(())
}

/// The name, and the feature without which deterministic code calls the engine for a floating-point result.
fn calls_for_a_float(operator: &Operator<'_>) -> Option<(&'static str, &'static str)> {
    match operator {
        Operator::F32x4RelaxedMadd => Some(("f32x4.relaxed_madd", "has_fma")),
        Operator::F32x4RelaxedNmadd => Some(("f32x4.relaxed_nmadd", "has_fma")),
        Operator::F64x2RelaxedMadd => Some(("f64x2.relaxed_madd", "has_fma")),
        Operator::F64x2RelaxedNmadd => Some(("f64x2.relaxed_nmadd", "has_fma")),
        other => slow_without(other)
            .filter(|(name, _, how)| *how == Call && name.starts_with('f'))
            .map(|(name, feature, _)| (name, feature)),
    }
}

/// The lowest level that has the feature.
fn level_with(target: Target, feature: &str) -> &'static str {
    let levels = cpu_features::levels(target.architecture());
    levels.iter().find(|(_, has)| has.contains(&feature)).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cpu, Options};
    use rtwasm::engine::profile::Profile;

    fn told(text: &str, cpu: &str) -> Vec<String> {
        let mut options = Options::for_target(Profile::Plugin, Target::X86_64Linux);
        options.cpu = Cpu::from_text(cpu).unwrap();
        let module = wat::parse_str(text).unwrap();
        let found = find(&module, Target::X86_64Linux, &options.cpu_features().unwrap()).unwrap();
        let line = |s: &Slow| format!("{} {} {} {} {}", s.instruction, s.count, s.calls, s.first, s.mended_by);
        found.iter().map(line).collect()
    }

    #[test]
    fn what_calls_for_a_float_is_refused_where_results_are_to_be_the_same() {
        let refused = |text: &str, cpu: &str| {
            let mut options = Options::for_target(Profile::Plugin, Target::X86_64Linux);
            options.cpu = Cpu::from_text(cpu).unwrap();
            let module = wat::parse_str(text).unwrap();
            refuse_undetermined(&module, Target::X86_64Linux, &options.cpu_features().unwrap())
                .err()
                .map(|error| error.message.to_string())
        };
        let floor = "(module (func $low (param f64) (result f64) local.get 0 f64.floor))";
        let fused = "(module (func (param v128) (result v128) local.get 0 local.get 0 local.get 0 f32x4.relaxed_madd))";
        let shuffled = "(module (func (param v128) (result v128) local.get 0 local.get 0 i8x16.swizzle))";
        let message = r#"f64.floor is not deterministic on processors below x86-64-v2, function 0 "low": compile for x86-64-v2 or a higher level"#;
        assert_eq!(refused(floor, "baseline").as_deref(), Some(message));
        assert_eq!(refused(floor, "x86-64-v2"), None);
        assert!(
            refused(fused, "x86-64-v2")
                .unwrap()
                .contains("f32x4.relaxed_madd is not deterministic on processors below x86-64-v3")
        );
        assert_eq!(refused(fused, "x86-64-v3"), None);
        assert_eq!(refused(shuffled, "baseline"), None, "no float");
    }

    #[test]
    fn uses_are_counted_and_mended_by_the_lowest_level() {
        let text = r#"(module (func)
            (func $floors (param f64 i64) (result f64) local.get 1 i64.popcnt drop local.get 0 f64.floor f64.floor)
            (func (param v128) (result v128) local.get 0 local.get 0 i64x2.mul f64.const 1 f64.floor drop))"#;
        let floor = r#"f64.floor 3 true function 1 "floors" x86-64-v2"#;
        let popcnt = r#"i64.popcnt 1 false function 1 "floors" x86-64-v2"#;
        let mul = "i64x2.mul 1 false function 2 x86-64-v4";
        assert_eq!(told(text, "baseline"), [floor, popcnt, mul]);
        assert_eq!(told(text, "sse41"), [popcnt, mul]);
        assert_eq!(told(text, "x86-64-v2"), [mul]);
        assert_eq!(told(text, "x86-64-v4"), Vec::<String>::new());
    }
}
