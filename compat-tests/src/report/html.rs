//! The report as one page for a browser, which needs nothing else.

use super::json;
use super::run::Report;

/// The page. What it shows is in it as JSON, and its own script makes the table of that.
pub fn page(report: &Report) -> String {
    // Nothing in the data can end the script that it stands in.
    let data = json::value(report).to_string().replace('<', "\\u003c");
    include_str!("page.html").replace("/* the results */", &data)
}
