//! The `_init` functions. C and C++ have them as inline functions, so that they pass the size that the struct has in the header
//! they were compiled with; the library has `_init_sized` alone.

/// Puts `rtw_x_init` behind each declaration of an `rtw_x_init_sized`, with its comment.
pub fn add(header: &str) -> Result<String, String> {
    let mut out = String::new();
    let (mut comment, mut declaration) = (String::new(), String::new());
    for line in header.split_inclusive('\n') {
        out += line;
        if line.starts_with("///") {
            comment += line;
            continue;
        }
        if !declaration.is_empty() || line.starts_with("void ") && line.contains("_init_sized(") {
            declaration += line;
            if !line.ends_with(";\n") {
                continue;
            }
            out += &inline(&comment, declaration.trim_end())?;
            declaration.clear();
        }
        comment.clear();
    }
    Ok(out)
}

fn inline(comment: &str, declaration: &str) -> Result<String, String> {
    if comment.is_empty() {
        return Err(format!("{declaration} has no comment"));
    }
    let comment: String = comment.split_inclusive('\n').filter(|line| !line.starts_with("/// struct_size ")).collect();
    let parts =
        declaration.strip_prefix("void ").and_then(|rest| rest.split_once("_init_sized(")).and_then(|(name, arguments)| {
            let (pointer, rest) = arguments.split_once(',')?;
            rest.ends_with(';').then_some((name, pointer, pointer.rsplit_once('*')?.1))
        });
    let (name, pointer, argument) = parts.ok_or_else(|| format!("{declaration} is not understood"))?;
    Ok(format!(
        "\n{comment}static inline void {name}_init({pointer})\n{{\n    {name}_init_sized({argument}, sizeof *{argument});\n}}\n"
    ))
}
