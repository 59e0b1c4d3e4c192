//! The lines that programs print around their error: stack traces, members of a dumped error,
//! excerpts of code, npm's notices. They can be a hundred, and the error stands above them.

/// True for such a line. An error's own line is none.
pub fn is_frame(line: &str) -> bool {
    let line = line.trim();
    let is_blank = !line.chars().any(char::is_alphanumeric);
    is_blank || is_of_a_trace(line) || is_member(line) || is_notice(line)
}

/// A line of a stack trace or of the code beside it.
fn is_of_a_trace(line: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["at ", "from ", "--- End of", "goroutine "];
    let counted = |line: &str, rest: &str| {
        let after = line.trim_start_matches(|char: char| char.is_ascii_digit());
        after.len() < line.len() && after.trim_start().starts_with(rest)
    };
    // Node's native frames, PHP's `#3 /app/a.php(7): f()` and `10  app/a.php:7`, Go, Ruby, Java.
    counted(line, ": 0x")
        || BEGINNINGS.iter().any(|text| line.starts_with(text))
        || line
            .strip_prefix('#')
            .is_some_and(|rest| counted(rest, "/"))
        || ends_with_position(line)
        || line.contains(":in `")
        || line.contains(":in '")
        || line.contains(" +0x")
        || line.contains('▕')
        || line.ends_with(" vendor frames")
        || line.starts_with("... ") && line.ends_with(" more")
        || is_php_call(line)
}

/// `10  database/migrations/a.php:14`
fn ends_with_position(line: &str) -> bool {
    let Some((number, path)) = line.split_once("  ") else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number(number)
        && path
            .rsplit_once(':')
            .is_some_and(|(_, line)| is_number(line))
}

/// `Illuminate\Support\Facade::call("create")`
fn is_php_call(line: &str) -> bool {
    line.split_once("::").is_some_and(|(class, call)| {
        let is_class = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '\\');
        class.contains('\\') && class.chars().all(is_class) && call.contains('(')
    })
}

/// A member of an object that a program dumps: `code: '23502',`
fn is_member(line: &str) -> bool {
    let Some((name, value)) = line.split_once(": ") else {
        return false;
    };
    let name = name.trim_matches('"');
    let is_name = name.starts_with(|char: char| char.is_ascii_lowercase())
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || char == '_');
    // node-postgres and others print an error as `error: its message`.
    let is_of_an_error = name == "error" || name.ends_with("Error");
    // The last member has no comma.
    let is_last = value == "undefined" || name == "routine" && value.starts_with('\'');
    is_name && !is_of_an_error && (is_last || value.ends_with(','))
}

fn is_notice(line: &str) -> bool {
    line.starts_with("npm notice") || line.starts_with("npm warn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_around_an_error_are_told_from_the_error() {
        for frame in [
            "",
            "  },",
            "----",
            "    at Parser.parse (/app/node_modules/pg-protocol/dist/parser.js:283:98)",
            "\tfrom app.rb:1:in `<main>'",
            "/app/db/migrate/2026_a.rb:3:in 'change'",
            "1: 0xe1a1f4 node::OOMErrorHandler(char const*) [node]",
            "#3 /app/vendor/laravel/Connection.php(825): run()",
            "10  database/migrations/2024_a.php:14",
            "+26 vendor frames",
            "➜ 825▕             throw new QueryException(",
            "Illuminate\\Support\\Facades\\Facade::__callStatic(\"create\")",
            "\t/app/main.go:12 +0x1d",
            "goroutine 1 [running]:",
            "... 12 more",
            "  code: '23502',",
            "  \"code\": \"23502\",",
            "  routine: 'ATRewriteTable'",
            "  hint: undefined,",
            "npm notice New major version of npm available!",
        ] {
            assert!(is_frame(frame), "{frame}");
        }
        for error in [
            "error: column \"tier\" of relation \"member\" contains null values",
            "error: invalid input syntax for type integer: \",",
            "driverError: error: column \"tier\" contains null values,",
            "ERROR:  relation \"orders\" does not exist,",
            "psql: error: connection to server failed: FATAL:  role does not exist",
            "SQLSTATE[42S01]: Base table or view already exists: 1050 Table 'vouchers' already exists",
            "Caused by: java.net.ConnectException: Connection refused",
            "PG::UndefinedTable: ERROR:  relation \"orders\" does not exist",
            "KeyError: 'DATABASE_URL'",
            "# Applying 20 migrations",
            "step 2: failed",
            "12 migrations, 3 applied",
        ] {
            assert!(!is_frame(error), "{error}");
        }
    }
}
