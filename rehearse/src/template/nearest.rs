//! Guesses the name behind a misspelt one.

/// The least likeness of two names, from 0 to 1.
const ALIKE: f64 = 0.8;

/// The known name that is most like `name`, if one is like it at all. A hint beside an error that
/// stands without it may guess so boldly.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let likeness = |known: &'k str| (strsim::jaro_winkler(&known.to_lowercase(), &name), known);
    let best = known
        .into_iter()
        .map(likeness)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    best.filter(|(likeness, _)| *likeness > ALIKE)
        .map(|(_, known)| known)
}

/// The known name that `name` misspells, if there is one: it has another case, or one letter in four
/// and at most two differ. A finding that makes a template wrong has to be surer than a hint.
pub fn misspelt<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let distance = |known: &'k str| (strsim::osa_distance(&known.to_lowercase(), &name), known);
    let (distance, known) = known.into_iter().map(distance).min()?;
    (distance <= 2.min(known.len() / 4)).then_some(known)
}

/// The end of a sentence that offers the nearest name; empty if there is none.
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!(" (did you mean {known}?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_meant_if_any_is_similar() {
        assert_eq!(
            did_you_mean("FARGAT", ["EC2", "FARGATE"]),
            " (did you mean FARGATE?)"
        );
        assert_eq!(
            did_you_mean("fargate", ["EC2", "FARGATE"]),
            " (did you mean FARGATE?)"
        );
        assert_eq!(did_you_mean("x", ["EC2", "FARGATE"]), "");
    }

    #[test]
    fn only_a_small_difference_is_a_misspelling() {
        let known = ["Cpu", "Image", "ContainerDefinitions", "PortMappings"];
        let misspelt = |name| misspelt(name, known);
        assert_eq!(misspelt("cpu"), Some("Cpu"));
        assert_eq!(misspelt("Gpu"), None);
        assert_eq!(misspelt("Imgae"), Some("Image"));
        assert_eq!(misspelt("ImageUri"), None);
        assert_eq!(misspelt("ContainerDefintons"), Some("ContainerDefinitions"));
        assert_eq!(misspelt("PortMapping"), Some("PortMappings"));
        assert_eq!(misspelt("PodMapping"), None);
    }
}
