//! Function types as text: `(i32,f32)->(f64)`. C hosts request types in this form, and artifacts and errors name them in it.

use crate::status::*;
use wasmtime::{Engine, FuncType, Val, ValRaw, ValType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
}

impl Type {
    const ALL: [Type; 5] = [Type::I32, Type::I64, Type::F32, Type::F64, Type::V128];

    pub fn name(self) -> &'static str {
        match self {
            Type::I32 => "i32",
            Type::I64 => "i64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::V128 => "v128",
        }
    }

    pub fn named(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|ty| ty.name() == name)
    }

    pub fn engine_type(self) -> ValType {
        match self {
            Type::I32 => ValType::I32,
            Type::I64 => ValType::I64,
            Type::F32 => ValType::F32,
            Type::F64 => ValType::F64,
            Type::V128 => ValType::V128,
        }
    }

    /// A value of this type, from the layout of calls' values.
    pub fn value(self, raw: ValRaw) -> Val {
        match self {
            Type::I32 => Val::I32(raw.get_i32()),
            Type::I64 => Val::I64(raw.get_i64()),
            Type::F32 => Val::F32(raw.get_f32()),
            Type::F64 => Val::F64(raw.get_f64()),
            Type::V128 => Val::V128(raw.get_v128().into()),
        }
    }

    /// `None` for references, which have no meaning across the C boundary.
    pub fn of(ty: &ValType) -> Option<Type> {
        match ty {
            ValType::I32 => Some(Type::I32),
            ValType::I64 => Some(Type::I64),
            ValType::F32 => Some(Type::F32),
            ValType::F64 => Some(Type::F64),
            ValType::V128 => Some(Type::V128),
            ValType::Ref(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub params: Vec<Type>,
    pub results: Vec<Type>,
}

impl Signature {
    /// Reads `(i32,f32)->(f64)`; white space is allowed between words, and nothing else is.
    pub fn parse(text: &str) -> Result<Signature> {
        let refuse = |why: String| {
            Error::new(
                RTW_ERR_SIGNATURE_SYNTAX,
                format!("signature \"{text}\": {why}; it should look like \"(i32,f32)->(f64)\""),
            )
        };
        let (params, results) = text.split_once("->").ok_or_else(|| refuse("there is no ->".into()))?;
        let list = |part: &str| -> Result<Vec<Type>> {
            let inner = part
                .trim()
                .strip_prefix('(')
                .and_then(|p| p.strip_suffix(')'))
                .ok_or_else(|| refuse(format!("\"{part}\" is not in parentheses")))?;
            if inner.trim().is_empty() {
                return Ok(vec![]);
            }
            inner
                .split(',')
                .map(str::trim)
                .map(|word| Type::named(word).ok_or_else(|| refuse(format!("\"{word}\" is none of i32, i64, f32, f64, v128"))))
                .collect()
        };
        Ok(Signature { params: list(params)?, results: list(results)? })
    }

    /// `None` if a reference type occurs.
    pub fn of(ty: &FuncType) -> Option<Signature> {
        Some(Signature {
            params: ty.params().map(|t| Type::of(&t)).collect::<Option<_>>()?,
            results: ty.results().map(|t| Type::of(&t)).collect::<Option<_>>()?,
        })
    }

    pub fn engine_type(&self, engine: &Engine) -> FuncType {
        let types = |list: &[Type]| list.iter().map(|t| t.engine_type()).collect::<Vec<_>>();
        FuncType::new(engine, types(&self.params), types(&self.results))
    }

    /// The most 16-byte values that a call reads and writes.
    pub fn value_count(&self) -> usize {
        self.params.len().max(self.results.len())
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |types: &[Type]| types.iter().map(|t| t.name()).collect::<Vec<_>>().join(",");
        write!(f, "({})->({})", list(&self.params), list(&self.results))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        for text in ["()->()", "(i32,i64,f32,f64,v128)->(f32)", "()->(i32,i32)"] {
            assert_eq!(Signature::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Signature::parse(" ( i32 , f32 ) -> ( ) ").unwrap().to_string(), "(i32,f32)->()");
    }

    #[test]
    fn nonsense_is_named() {
        for (text, word) in [
            ("", "->"),
            ("(i32)", "->"),
            ("i32->()", "parentheses"),
            ("(i32->()", "parentheses"),
            ("(int)->()", "\"int\""),
            ("(i32,)->()", "\"\""),
            ("(i 32)->()", "\"i 32\""),
            ("()- >()", "->"),
            ("(funcref)->()", "funcref"),
        ] {
            let error = Signature::parse(text).unwrap_err();
            assert_eq!(error.status, RTW_ERR_SIGNATURE_SYNTAX);
            assert!(error.message.contains(word), "{error}");
        }
    }
}
