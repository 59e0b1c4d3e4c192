"""The compiler's flags of `make build`: a small crate makes the same bytes in two places, and names neither."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

MAKEFILE = Path(__file__).parents[1] / "Makefile"
# What the project's own build may be run with.
OTHERS = ("CARGO_TARGET_DIR", "MAKEFLAGS", "RUSTFLAGS")
CRATE = {
    "Cargo.toml": '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2024"\n[profile.dev]\nstrip = true\n[workspace]\n',
    # What a build script writes is compiled by its full path, and a panic in it says where it was.
    "build.rs": """
        fn main() {
            let out = std::path::PathBuf::from(std::env::var("OUT_DIR").unwrap()).join("out.rs");
            std::fs::write(out, "fn fails(at: usize) -> u8 { [1_u8, 2][at] }").unwrap();
        }
    """,
    "src/main.rs": """
        include!(concat!(env!("OUT_DIR"), "/out.rs"));
        fn main() { println!("{}", fails(std::env::args().count())); }
    """,
}


class Reproducible(unittest.TestCase):
    def built(self, folder: Path, with_flags: bool) -> bytes:
        """The binary of the crate in this folder."""
        for name, text in CRATE.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if name not in OTHERS}
        if with_flags:
            make = ["make", "--silent", "--no-print-directory", "--file", MAKEFILE, "--eval", 'flags: ; @echo "$(REMAP)"', "flags"]
            flags = subprocess.run(make, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
            environment["RUSTFLAGS"] = flags.strip()
        subprocess.run(["cargo", "build", "--quiet", "--offline"], cwd=folder, env=environment, check=True)
        return (folder / "target/debug/small").read_bytes()

    def test_the_same_source_makes_the_same_bytes_wherever_it_is_built(self):
        with tempfile.TemporaryDirectory() as directory:
            here, there = Path(directory, "here"), Path(directory, "some/where/else")
            binaries = [self.built(folder, with_flags=True) for folder in (here, there)]
            self.assertEqual(*binaries)
            self.assertNotIn(directory.encode(), binaries[0])
            # Else the crate would be too small to show anything.
            self.assertIn(directory.encode(), self.built(Path(directory, "third"), with_flags=False))


if __name__ == "__main__":
    unittest.main()
