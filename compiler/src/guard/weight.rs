//! The cost of each instruction, for the placing of polls: the approximate number of simple instructions that take as long.
//!
//! An instruction that can take longer than [`super::STRETCH`] needs a poll. So it is important that no instruction is missing,
//! and unimportant if a figure is twice too high: the figures are the code generator's worst on any processor.

use wasmparser::Operator;

/// The time of one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// The time of this number of simple instructions.
    Constant(u64),
    /// Its last operand is the number of bytes to work on: split into pieces.
    Bytes,
    /// Its last operand is the number of a table's entries to work on: split into pieces.
    Entries,
    /// One call of the engine that cannot be split: has a poll after it.
    Growth,
    /// The called function counts.
    Call,
    /// Cannot occur in a module that has been checked.
    Refused,
}

impl Cost {
    /// The weight of an instruction that always takes about as long.
    pub fn constant(self) -> Option<u64> {
        match self {
            Cost::Constant(weight) => Some(weight),
            _ => None,
        }
    }
}

/// Bytes that take the time of a simple instruction.
const BYTES: u64 = 8;
/// The time of a table's entry.
const ENTRY: u64 = 2;

/// The cost of working on a stretch of memory or of a table.
pub fn of_length(cost: Cost, length: u64) -> u64 {
    1 + if cost == Cost::Bytes { length / BYTES } else { length.saturating_mul(ENTRY) }
}

macro_rules! define_kinds {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// Every instruction that the parser knows, without its immediates. This enumeration is exhaustive, while the parser's
        /// may grow without a `match` over it failing to compile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum Kind {
            $($op),*
        }

        fn kind(operator: &Operator<'_>) -> Kind {
            match operator {
                $(Operator::$op { .. } => Kind::$op,)*
                other => unreachable!("{other:?} is among those that the parser lists"),
            }
        }

        /// The instructions with their proposals.
        #[cfg(test)]
        const KINDS: &[(Kind, &str)] = &[$((Kind::$op, stringify!($proposal))),*];
    };
}
wasmparser::for_each_operator!(define_kinds);

pub fn cost(operator: &Operator<'_>) -> Cost {
    cost_of(kind(operator))
}

/// Has no wildcard: every instruction of a new parser needs a decision here.
fn cost_of(kind: Kind) -> Cost {
    match kind {
        Kind::Unreachable
        | Kind::Nop
        | Kind::Block
        | Kind::Loop
        | Kind::If
        | Kind::Else
        | Kind::End
        | Kind::Br
        | Kind::BrIf
        | Kind::Return
        | Kind::Drop
        | Kind::Select
        | Kind::LocalGet
        | Kind::LocalSet
        | Kind::LocalTee
        | Kind::GlobalGet
        | Kind::GlobalSet
        | Kind::I32Load
        | Kind::I64Load
        | Kind::F32Load
        | Kind::F64Load
        | Kind::I32Load8S
        | Kind::I32Load8U
        | Kind::I32Load16S
        | Kind::I32Load16U
        | Kind::I64Load8S
        | Kind::I64Load8U
        | Kind::I64Load16S
        | Kind::I64Load16U
        | Kind::I64Load32S
        | Kind::I64Load32U
        | Kind::I32Store
        | Kind::I64Store
        | Kind::F32Store
        | Kind::F64Store
        | Kind::I32Store8
        | Kind::I32Store16
        | Kind::I64Store8
        | Kind::I64Store16
        | Kind::I64Store32
        | Kind::I32Const
        | Kind::I64Const
        | Kind::F32Const
        | Kind::F64Const
        | Kind::I32Eqz
        | Kind::I32Eq
        | Kind::I32Ne
        | Kind::I32LtS
        | Kind::I32LtU
        | Kind::I32GtS
        | Kind::I32GtU
        | Kind::I32LeS
        | Kind::I32LeU
        | Kind::I32GeS
        | Kind::I32GeU
        | Kind::I64Eqz
        | Kind::I64Eq
        | Kind::I64Ne
        | Kind::I64LtS
        | Kind::I64LtU
        | Kind::I64GtS
        | Kind::I64GtU
        | Kind::I64LeS
        | Kind::I64LeU
        | Kind::I64GeS
        | Kind::I64GeU
        | Kind::F32Eq
        | Kind::F32Ne
        | Kind::F32Lt
        | Kind::F32Gt
        | Kind::F32Le
        | Kind::F32Ge
        | Kind::F64Eq
        | Kind::F64Ne
        | Kind::F64Lt
        | Kind::F64Gt
        | Kind::F64Le
        | Kind::F64Ge
        | Kind::I32Add
        | Kind::I32Sub
        | Kind::I32Mul
        | Kind::I32And
        | Kind::I32Or
        | Kind::I32Xor
        | Kind::I32Shl
        | Kind::I32ShrS
        | Kind::I32ShrU
        | Kind::I32Rotl
        | Kind::I32Rotr
        | Kind::I64Add
        | Kind::I64Sub
        | Kind::I64Mul
        | Kind::I64And
        | Kind::I64Or
        | Kind::I64Xor
        | Kind::I64Shl
        | Kind::I64ShrS
        | Kind::I64ShrU
        | Kind::I64Rotl
        | Kind::I64Rotr
        | Kind::F32Abs
        | Kind::F32Neg
        | Kind::F32Add
        | Kind::F32Sub
        | Kind::F32Mul
        | Kind::F32Copysign
        | Kind::F64Abs
        | Kind::F64Neg
        | Kind::F64Add
        | Kind::F64Sub
        | Kind::F64Mul
        | Kind::F64Copysign
        | Kind::I32WrapI64
        | Kind::I64ExtendI32S
        | Kind::I64ExtendI32U
        | Kind::F32DemoteF64
        | Kind::F64PromoteF32
        | Kind::I32ReinterpretF32
        | Kind::I64ReinterpretF64
        | Kind::F32ReinterpretI32
        | Kind::F64ReinterpretI64
        | Kind::I32Extend8S
        | Kind::I32Extend16S
        | Kind::I64Extend8S
        | Kind::I64Extend16S
        | Kind::I64Extend32S
        | Kind::TypedSelect
        | Kind::TypedSelectMulti
        | Kind::RefNull
        | Kind::RefIsNull
        | Kind::V128Load
        | Kind::V128Load8x8S
        | Kind::V128Load8x8U
        | Kind::V128Load16x4S
        | Kind::V128Load16x4U
        | Kind::V128Load32x2S
        | Kind::V128Load32x2U
        | Kind::V128Load8Splat
        | Kind::V128Load16Splat
        | Kind::V128Load32Splat
        | Kind::V128Load64Splat
        | Kind::V128Load32Zero
        | Kind::V128Load64Zero
        | Kind::V128Store
        | Kind::V128Load8Lane
        | Kind::V128Load16Lane
        | Kind::V128Load32Lane
        | Kind::V128Load64Lane
        | Kind::V128Store8Lane
        | Kind::V128Store16Lane
        | Kind::V128Store32Lane
        | Kind::V128Store64Lane
        | Kind::V128Const
        | Kind::I8x16ExtractLaneS
        | Kind::I8x16ExtractLaneU
        | Kind::I8x16ReplaceLane
        | Kind::I16x8ExtractLaneS
        | Kind::I16x8ExtractLaneU
        | Kind::I16x8ReplaceLane
        | Kind::I32x4ExtractLane
        | Kind::I32x4ReplaceLane
        | Kind::I64x2ExtractLane
        | Kind::I64x2ReplaceLane
        | Kind::F32x4ExtractLane
        | Kind::F32x4ReplaceLane
        | Kind::F64x2ExtractLane
        | Kind::F64x2ReplaceLane
        | Kind::I8x16Splat
        | Kind::I16x8Splat
        | Kind::I32x4Splat
        | Kind::I64x2Splat
        | Kind::F32x4Splat
        | Kind::F64x2Splat
        | Kind::I8x16Eq
        | Kind::I8x16Ne
        | Kind::I8x16LtS
        | Kind::I8x16LtU
        | Kind::I8x16GtS
        | Kind::I8x16GtU
        | Kind::I16x8Eq
        | Kind::I16x8Ne
        | Kind::I16x8LtS
        | Kind::I16x8LtU
        | Kind::I16x8GtS
        | Kind::I16x8GtU
        | Kind::I32x4Eq
        | Kind::I32x4Ne
        | Kind::I32x4LtS
        | Kind::I32x4LtU
        | Kind::I32x4GtS
        | Kind::I32x4GtU
        | Kind::I64x2Eq
        | Kind::I64x2Ne
        | Kind::I64x2LtS
        | Kind::I64x2GtS
        | Kind::F32x4Eq
        | Kind::F32x4Ne
        | Kind::F32x4Lt
        | Kind::F32x4Gt
        | Kind::F64x2Eq
        | Kind::F64x2Ne
        | Kind::F64x2Lt
        | Kind::F64x2Gt
        | Kind::V128Not
        | Kind::V128And
        | Kind::V128AndNot
        | Kind::V128Or
        | Kind::V128Xor
        | Kind::I8x16Abs
        | Kind::I8x16Neg
        | Kind::I8x16Add
        | Kind::I8x16AddSatS
        | Kind::I8x16AddSatU
        | Kind::I8x16Sub
        | Kind::I8x16SubSatS
        | Kind::I8x16SubSatU
        | Kind::I16x8Abs
        | Kind::I16x8Neg
        | Kind::I16x8Add
        | Kind::I16x8AddSatS
        | Kind::I16x8AddSatU
        | Kind::I16x8Sub
        | Kind::I16x8SubSatS
        | Kind::I16x8SubSatU
        | Kind::I32x4Abs
        | Kind::I32x4Neg
        | Kind::I32x4Add
        | Kind::I32x4Sub
        | Kind::I64x2Abs
        | Kind::I64x2Neg
        | Kind::I64x2Add
        | Kind::I64x2Sub
        | Kind::F32x4Abs
        | Kind::F32x4Neg
        | Kind::F32x4Add
        | Kind::F32x4Sub
        | Kind::F64x2Abs
        | Kind::F64x2Neg
        | Kind::F64x2Add
        | Kind::F64x2Sub => Cost::Constant(1),
        // A few machine instructions, or checks.
        Kind::BrTable
        | Kind::MemorySize
        | Kind::I32Clz
        | Kind::I32Ctz
        | Kind::I32Popcnt
        | Kind::I64Clz
        | Kind::I64Ctz
        | Kind::I64Popcnt
        | Kind::F32Min
        | Kind::F32Max
        | Kind::F64Min
        | Kind::F64Max
        | Kind::I32TruncF32S
        | Kind::I32TruncF32U
        | Kind::I32TruncF64S
        | Kind::I32TruncF64U
        | Kind::I64TruncF32S
        | Kind::I64TruncF32U
        | Kind::I64TruncF64S
        | Kind::I64TruncF64U
        | Kind::F32ConvertI32S
        | Kind::F32ConvertI32U
        | Kind::F32ConvertI64S
        | Kind::F32ConvertI64U
        | Kind::F64ConvertI32S
        | Kind::F64ConvertI32U
        | Kind::F64ConvertI64S
        | Kind::F64ConvertI64U
        | Kind::I32TruncSatF32S
        | Kind::I32TruncSatF32U
        | Kind::I32TruncSatF64S
        | Kind::I32TruncSatF64U
        | Kind::I64TruncSatF32S
        | Kind::I64TruncSatF32U
        | Kind::I64TruncSatF64S
        | Kind::I64TruncSatF64U
        | Kind::TableGet
        | Kind::TableSet
        | Kind::TableSize
        | Kind::I8x16Shuffle
        | Kind::I8x16Swizzle
        | Kind::I8x16LeS
        | Kind::I8x16LeU
        | Kind::I8x16GeS
        | Kind::I8x16GeU
        | Kind::I16x8LeS
        | Kind::I16x8LeU
        | Kind::I16x8GeS
        | Kind::I16x8GeU
        | Kind::I32x4LeS
        | Kind::I32x4LeU
        | Kind::I32x4GeS
        | Kind::I32x4GeU
        | Kind::I64x2LeS
        | Kind::I64x2GeS
        | Kind::F32x4Le
        | Kind::F32x4Ge
        | Kind::F64x2Le
        | Kind::F64x2Ge
        | Kind::V128Bitselect
        | Kind::V128AnyTrue
        | Kind::I8x16Popcnt
        | Kind::I8x16AllTrue
        | Kind::I8x16Bitmask
        | Kind::I8x16NarrowI16x8S
        | Kind::I8x16NarrowI16x8U
        | Kind::I8x16Shl
        | Kind::I8x16ShrS
        | Kind::I8x16ShrU
        | Kind::I8x16MinS
        | Kind::I8x16MinU
        | Kind::I8x16MaxS
        | Kind::I8x16MaxU
        | Kind::I8x16AvgrU
        | Kind::I16x8ExtAddPairwiseI8x16S
        | Kind::I16x8ExtAddPairwiseI8x16U
        | Kind::I16x8Q15MulrSatS
        | Kind::I16x8AllTrue
        | Kind::I16x8Bitmask
        | Kind::I16x8NarrowI32x4S
        | Kind::I16x8NarrowI32x4U
        | Kind::I16x8ExtendLowI8x16S
        | Kind::I16x8ExtendHighI8x16S
        | Kind::I16x8ExtendLowI8x16U
        | Kind::I16x8ExtendHighI8x16U
        | Kind::I16x8Shl
        | Kind::I16x8ShrS
        | Kind::I16x8ShrU
        | Kind::I16x8Mul
        | Kind::I16x8MinS
        | Kind::I16x8MinU
        | Kind::I16x8MaxS
        | Kind::I16x8MaxU
        | Kind::I16x8AvgrU
        | Kind::I16x8ExtMulLowI8x16S
        | Kind::I16x8ExtMulHighI8x16S
        | Kind::I16x8ExtMulLowI8x16U
        | Kind::I16x8ExtMulHighI8x16U
        | Kind::I32x4ExtAddPairwiseI16x8S
        | Kind::I32x4ExtAddPairwiseI16x8U
        | Kind::I32x4AllTrue
        | Kind::I32x4Bitmask
        | Kind::I32x4ExtendLowI16x8S
        | Kind::I32x4ExtendHighI16x8S
        | Kind::I32x4ExtendLowI16x8U
        | Kind::I32x4ExtendHighI16x8U
        | Kind::I32x4Shl
        | Kind::I32x4ShrS
        | Kind::I32x4ShrU
        | Kind::I32x4Mul
        | Kind::I32x4MinS
        | Kind::I32x4MinU
        | Kind::I32x4MaxS
        | Kind::I32x4MaxU
        | Kind::I32x4DotI16x8S
        | Kind::I32x4ExtMulLowI16x8S
        | Kind::I32x4ExtMulHighI16x8S
        | Kind::I32x4ExtMulLowI16x8U
        | Kind::I32x4ExtMulHighI16x8U
        | Kind::I64x2AllTrue
        | Kind::I64x2Bitmask
        | Kind::I64x2ExtendLowI32x4S
        | Kind::I64x2ExtendHighI32x4S
        | Kind::I64x2ExtendLowI32x4U
        | Kind::I64x2ExtendHighI32x4U
        | Kind::I64x2Shl
        | Kind::I64x2ShrS
        | Kind::I64x2ShrU
        | Kind::I64x2Mul
        | Kind::I64x2ExtMulLowI32x4S
        | Kind::I64x2ExtMulHighI32x4S
        | Kind::I64x2ExtMulLowI32x4U
        | Kind::I64x2ExtMulHighI32x4U
        | Kind::F32x4Mul
        | Kind::F32x4Min
        | Kind::F32x4Max
        | Kind::F32x4PMin
        | Kind::F32x4PMax
        | Kind::F64x2Mul
        | Kind::F64x2Min
        | Kind::F64x2Max
        | Kind::F64x2PMin
        | Kind::F64x2PMax
        | Kind::I32x4TruncSatF32x4S
        | Kind::I32x4TruncSatF32x4U
        | Kind::F32x4ConvertI32x4S
        | Kind::F32x4ConvertI32x4U
        | Kind::I32x4TruncSatF64x2SZero
        | Kind::I32x4TruncSatF64x2UZero
        | Kind::F64x2ConvertLowI32x4S
        | Kind::F64x2ConvertLowI32x4U
        | Kind::F32x4DemoteF64x2Zero
        | Kind::F64x2PromoteLowF32x4
        | Kind::I8x16RelaxedSwizzle
        | Kind::I32x4RelaxedTruncF32x4S
        | Kind::I32x4RelaxedTruncF32x4U
        | Kind::I32x4RelaxedTruncF64x2SZero
        | Kind::I32x4RelaxedTruncF64x2UZero
        | Kind::I8x16RelaxedLaneselect
        | Kind::I16x8RelaxedLaneselect
        | Kind::I32x4RelaxedLaneselect
        | Kind::I64x2RelaxedLaneselect
        | Kind::F32x4RelaxedMin
        | Kind::F32x4RelaxedMax
        | Kind::F64x2RelaxedMin
        | Kind::F64x2RelaxedMax
        | Kind::I16x8RelaxedQ15mulrS
        | Kind::I16x8RelaxedDotI8x16I7x16S
        | Kind::I32x4RelaxedDotI8x16I7x16AddS => Cost::Constant(4),
        // Long latency; rounding instructions are calls on processors that lack them.
        Kind::I32DivS
        | Kind::I32DivU
        | Kind::I32RemS
        | Kind::I32RemU
        | Kind::I64DivS
        | Kind::I64DivU
        | Kind::I64RemS
        | Kind::I64RemU
        | Kind::F32Ceil
        | Kind::F32Floor
        | Kind::F32Trunc
        | Kind::F32Nearest
        | Kind::F32Sqrt
        | Kind::F32Div
        | Kind::F64Ceil
        | Kind::F64Floor
        | Kind::F64Trunc
        | Kind::F64Nearest
        | Kind::F64Sqrt
        | Kind::F64Div => Cost::Constant(16),
        // Atomic operations wait until the store buffer is empty.
        Kind::AtomicFence
        | Kind::I32AtomicLoad
        | Kind::I64AtomicLoad
        | Kind::I32AtomicLoad8U
        | Kind::I32AtomicLoad16U
        | Kind::I64AtomicLoad8U
        | Kind::I64AtomicLoad16U
        | Kind::I64AtomicLoad32U
        | Kind::I32AtomicStore
        | Kind::I64AtomicStore
        | Kind::I32AtomicStore8
        | Kind::I32AtomicStore16
        | Kind::I64AtomicStore8
        | Kind::I64AtomicStore16
        | Kind::I64AtomicStore32
        | Kind::I32AtomicRmwAdd
        | Kind::I64AtomicRmwAdd
        | Kind::I32AtomicRmw8AddU
        | Kind::I32AtomicRmw16AddU
        | Kind::I64AtomicRmw8AddU
        | Kind::I64AtomicRmw16AddU
        | Kind::I64AtomicRmw32AddU
        | Kind::I32AtomicRmwSub
        | Kind::I64AtomicRmwSub
        | Kind::I32AtomicRmw8SubU
        | Kind::I32AtomicRmw16SubU
        | Kind::I64AtomicRmw8SubU
        | Kind::I64AtomicRmw16SubU
        | Kind::I64AtomicRmw32SubU
        | Kind::I32AtomicRmwAnd
        | Kind::I64AtomicRmwAnd
        | Kind::I32AtomicRmw8AndU
        | Kind::I32AtomicRmw16AndU
        | Kind::I64AtomicRmw8AndU
        | Kind::I64AtomicRmw16AndU
        | Kind::I64AtomicRmw32AndU
        | Kind::I32AtomicRmwOr
        | Kind::I64AtomicRmwOr
        | Kind::I32AtomicRmw8OrU
        | Kind::I32AtomicRmw16OrU
        | Kind::I64AtomicRmw8OrU
        | Kind::I64AtomicRmw16OrU
        | Kind::I64AtomicRmw32OrU
        | Kind::I32AtomicRmwXor
        | Kind::I64AtomicRmwXor
        | Kind::I32AtomicRmw8XorU
        | Kind::I32AtomicRmw16XorU
        | Kind::I64AtomicRmw8XorU
        | Kind::I64AtomicRmw16XorU
        | Kind::I64AtomicRmw32XorU
        | Kind::I32AtomicRmwXchg
        | Kind::I64AtomicRmwXchg
        | Kind::I32AtomicRmw8XchgU
        | Kind::I32AtomicRmw16XchgU
        | Kind::I64AtomicRmw8XchgU
        | Kind::I64AtomicRmw16XchgU
        | Kind::I64AtomicRmw32XchgU
        | Kind::I32AtomicRmwCmpxchg
        | Kind::I64AtomicRmwCmpxchg
        | Kind::I32AtomicRmw8CmpxchgU
        | Kind::I32AtomicRmw16CmpxchgU
        | Kind::I64AtomicRmw8CmpxchgU
        | Kind::I64AtomicRmw16CmpxchgU
        | Kind::I64AtomicRmw32CmpxchgU => Cost::Constant(20),
        // One lane after the other on processors that lack them.
        Kind::F32x4Ceil
        | Kind::F32x4Floor
        | Kind::F32x4Trunc
        | Kind::F32x4Nearest
        | Kind::F32x4Sqrt
        | Kind::F32x4Div
        | Kind::F64x2Ceil
        | Kind::F64x2Floor
        | Kind::F64x2Trunc
        | Kind::F64x2Nearest
        | Kind::F64x2Sqrt
        | Kind::F64x2Div => Cost::Constant(48),
        // Calls of the engine that take constant time.
        Kind::DataDrop
        | Kind::ElemDrop
        | Kind::RefFunc
        | Kind::MemoryAtomicNotify
        | Kind::MemoryAtomicWait32
        | Kind::MemoryAtomicWait64 => Cost::Constant(50),
        // A call of the C library for every lane on processors that lack them, and a slow one.
        Kind::F32x4RelaxedMadd | Kind::F32x4RelaxedNmadd | Kind::F64x2RelaxedMadd | Kind::F64x2RelaxedNmadd => {
            Cost::Constant(400)
        }
        Kind::Call | Kind::CallIndirect | Kind::ReturnCall | Kind::ReturnCallIndirect => Cost::Call,
        Kind::MemoryInit | Kind::MemoryCopy | Kind::MemoryFill => Cost::Bytes,
        Kind::TableInit | Kind::TableCopy | Kind::TableFill => Cost::Entries,
        Kind::MemoryGrow | Kind::TableGrow => Cost::Growth,
        // Of proposals that no module may use: `profile::guest_features`.
        Kind::RefEq
        | Kind::StructNew
        | Kind::StructNewDefault
        | Kind::StructGet
        | Kind::StructGetS
        | Kind::StructGetU
        | Kind::StructSet
        | Kind::ArrayNew
        | Kind::ArrayNewDefault
        | Kind::ArrayNewFixed
        | Kind::ArrayNewData
        | Kind::ArrayNewElem
        | Kind::ArrayGet
        | Kind::ArrayGetS
        | Kind::ArrayGetU
        | Kind::ArraySet
        | Kind::ArrayLen
        | Kind::ArrayFill
        | Kind::ArrayCopy
        | Kind::ArrayInitData
        | Kind::ArrayInitElem
        | Kind::RefTestNonNull
        | Kind::RefTestNullable
        | Kind::RefCastNonNull
        | Kind::RefCastNullable
        | Kind::BrOnCast
        | Kind::BrOnCastFail
        | Kind::AnyConvertExtern
        | Kind::ExternConvertAny
        | Kind::RefI31
        | Kind::I31GetS
        | Kind::I31GetU
        | Kind::StructNewDesc
        | Kind::StructNewDefaultDesc
        | Kind::RefGetDesc
        | Kind::RefCastDescEqNonNull
        | Kind::RefCastDescEqNullable
        | Kind::BrOnCastDescEq
        | Kind::BrOnCastDescEqFail
        | Kind::MemoryDiscard
        | Kind::TryTable
        | Kind::Throw
        | Kind::ThrowRef
        | Kind::Try
        | Kind::Catch
        | Kind::Rethrow
        | Kind::Delegate
        | Kind::CatchAll
        | Kind::GlobalAtomicGet
        | Kind::GlobalAtomicSet
        | Kind::GlobalAtomicRmwAdd
        | Kind::GlobalAtomicRmwSub
        | Kind::GlobalAtomicRmwAnd
        | Kind::GlobalAtomicRmwOr
        | Kind::GlobalAtomicRmwXor
        | Kind::GlobalAtomicRmwXchg
        | Kind::GlobalAtomicRmwCmpxchg
        | Kind::TableAtomicGet
        | Kind::TableAtomicSet
        | Kind::TableAtomicRmwXchg
        | Kind::TableAtomicRmwCmpxchg
        | Kind::StructAtomicGet
        | Kind::StructAtomicGetS
        | Kind::StructAtomicGetU
        | Kind::StructAtomicSet
        | Kind::StructAtomicRmwAdd
        | Kind::StructAtomicRmwSub
        | Kind::StructAtomicRmwAnd
        | Kind::StructAtomicRmwOr
        | Kind::StructAtomicRmwXor
        | Kind::StructAtomicRmwXchg
        | Kind::StructAtomicRmwCmpxchg
        | Kind::ArrayAtomicGet
        | Kind::ArrayAtomicGetS
        | Kind::ArrayAtomicGetU
        | Kind::ArrayAtomicSet
        | Kind::ArrayAtomicRmwAdd
        | Kind::ArrayAtomicRmwSub
        | Kind::ArrayAtomicRmwAnd
        | Kind::ArrayAtomicRmwOr
        | Kind::ArrayAtomicRmwXor
        | Kind::ArrayAtomicRmwXchg
        | Kind::ArrayAtomicRmwCmpxchg
        | Kind::RefI31Shared
        | Kind::CallRef
        | Kind::ReturnCallRef
        | Kind::RefAsNonNull
        | Kind::BrOnNull
        | Kind::BrOnNonNull
        | Kind::ContNew
        | Kind::ContBind
        | Kind::Suspend
        | Kind::Resume
        | Kind::ResumeThrow
        | Kind::ResumeThrowRef
        | Kind::Switch
        | Kind::I64Add128
        | Kind::I64Sub128
        | Kind::I64MulWideS
        | Kind::I64MulWideU => Cost::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parser's names of the proposals whose instructions a guest may use.
    const ACCEPTED: &[&str] = &[
        "mvp",
        "sign_extension",
        "saturating_float_to_int",
        "bulk_memory",
        "reference_types",
        "tail_call",
        "threads",
        "simd",
        "relaxed_simd",
    ];

    #[test]
    fn every_instruction_of_the_accepted_proposals_has_its_weight() {
        for (kind, proposal) in KINDS {
            let is_refused = cost_of(*kind) == Cost::Refused;
            assert_eq!(is_refused, !ACCEPTED.contains(proposal), "{kind:?} of {proposal}");
        }
        for proposal in ACCEPTED {
            assert!(KINDS.iter().any(|(_, of)| of == proposal), "{proposal} has instructions");
        }
    }

    #[test]
    fn nothing_is_heavier_than_what_may_stand_between_polls() {
        for (kind, _) in KINDS {
            if let Cost::Constant(weight) = cost_of(*kind) {
                assert!((1..=super::super::STRETCH / 100).contains(&weight), "{kind:?}");
            }
        }
        for (cost, piece) in
            [(Cost::Bytes, super::super::bulk::CHUNK_BYTES), (Cost::Entries, super::super::bulk::CHUNK_ENTRIES)]
        {
            assert!(of_length(cost, piece) < super::super::STRETCH);
        }
    }
}
