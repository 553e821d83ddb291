//! The `_init` functions. C and C++ have them as inline functions, so that they pass the size that the struct has in the header
//! they were compiled with; the library has `_init_sized` alone.

/// Puts `rtw_x_init` behind each declaration of an `rtw_x_init_sized`, with its comment.
pub fn add(header: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = header;
    while let Some(at) = rest.find("_init_sized(") {
        let declaration = rest[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = at + rest[at..].find(";\n").ok_or("an _init_sized has no end")? + 2;
        // Names in comments are no declarations.
        if rest[declaration..at].starts_with("void ") {
            out += &rest[..end];
            out += &inline(&rest[..declaration], &rest[declaration..end])?;
        } else {
            out += &rest[..end];
        }
        rest = &rest[end..];
    }
    Ok(out + rest)
}

fn inline(before: &str, declaration: &str) -> Result<String, String> {
    let comment = before.rfind("/*").map(|at| &before[at..]).filter(|comment| comment.trim_end().ends_with("*/"));
    let comment = comment.ok_or_else(|| format!("{declaration} has no comment"))?;
    let comment: String = comment.split_inclusive('\n').filter(|line| !line.starts_with(" * struct_size ")).collect();
    let parts =
        declaration.strip_prefix("void ").and_then(|rest| rest.split_once("_init_sized(")).and_then(|(name, arguments)| {
            let (pointer, _) = arguments.split_once(',')?;
            Some((name, pointer, pointer.rsplit_once('*')?.1))
        });
    let (name, pointer, argument) = parts.ok_or_else(|| format!("{declaration} is not understood"))?;
    Ok(format!(
        "\n{comment}static inline void {name}_init({pointer})\n{{\n    {name}_init_sized({argument}, sizeof *{argument});\n}}\n"
    ))
}
