//! The text of a rule of `docs/behaviour.md`.

use compat_tests::root;
use regex::Regex;
use std::fs;

/// The rule of this name with the section that it stands in. An error if there is none.
pub fn rule(name: &str) -> Result<String, String> {
    let file = root().join("docs/behaviour.md");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let is_a_name = Regex::new(r"^[A-Z]\d+$").expect("a pattern");
    let found = match is_a_name.is_match(name) {
        true => find(&text, name),
        false => None,
    };
    found.ok_or_else(|| format!("docs/behaviour.md has no rule {name}"))
}

/// A rule is an item of a list, paragraphs that begin in bold, or a row of a table.
fn find(text: &str, name: &str) -> Option<String> {
    let opening =
        Regex::new(&format!(r"^(?:- )?\*\*(?:[^*]*, )?{name}\b|^\| {name} \|")).expect("a pattern");
    let next = Regex::new(r"^(?:- )?\*\*[A-Z]\d+\b|^#").expect("a pattern");
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| opening.is_match(line))?;
    let section = lines[..first].iter().rfind(|line| line.starts_with('#'))?;
    let mut rule = vec![lines[first]];
    if !lines[first].starts_with('|') {
        let rest = lines[first + 1..].iter();
        rule.extend(rest.take_while(|line| !next.is_match(line)));
    }
    while rule.last().is_some_and(|line| line.is_empty()) {
        rule.pop();
    }
    let section = section.trim_start_matches(['#', ' ']);
    Some(format!("{section}\n\n{}\n", rule.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::find;

    const TEXT: &str = "## 8. Defects\n\n**D5 Nested.** One.\n\n| a | b |\n\nTwo.\n\n**D6 Other.** \
        Three.\n\n**D22 Overflow, D23 mask.** Four.\n\n## 9. More\n\n- **B1** Five\n  six.\n- **B2** Seven.\n\
        | E2 | 0x33 |\n";

    #[test]
    fn a_rule_has_its_paragraphs_and_no_others() {
        let found = |name| find(TEXT, name).unwrap_or_default();
        assert_eq!(
            found("D5"),
            "8. Defects\n\n**D5 Nested.** One.\n\n| a | b |\n\nTwo.\n"
        );
        assert_eq!(found("D6"), "8. Defects\n\n**D6 Other.** Three.\n");
        assert_eq!(
            found("D23"),
            "8. Defects\n\n**D22 Overflow, D23 mask.** Four.\n"
        );
        assert_eq!(found("B1"), "9. More\n\n- **B1** Five\n  six.\n");
        assert_eq!(found("E2"), "9. More\n\n| E2 | 0x33 |\n");
        assert_eq!(find(TEXT, "D2"), None);
    }
}
