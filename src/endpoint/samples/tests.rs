//! What a set of patterns tells apart, a sample tells apart.

use super::*;

fn route(path: &str) -> Route {
    Route {
        hosts: Vec::new(),
        path: PathPattern::parse(path).unwrap(),
        methods: Vec::new(),
        wanted: true,
    }
}

fn shown(routes: &[Route]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    let end = samples(routes, |sample| -> ControlFlow<()> {
        paths.insert(format!("{}{}", sample.host, sample.path));
        ControlFlow::Continue(())
    });
    assert!(end.is_continue());
    paths
}

/// All texts of some length over a few characters.
fn texts() -> Vec<String> {
    let mut texts = vec![String::new()];
    let mut last = texts.clone();
    for _ in 0..5 {
        last = last
            .iter()
            .flat_map(|text| ["a", "b", "c"].map(|end| format!("{text}{end}")))
            .collect();
        texts.extend(last.clone());
    }
    texts
}

#[test]
fn whatever_wildcards_tell_apart_is_told_apart_by_a_sample() {
    let texts = texts();
    let sets: [&[&str]; 6] = [
        &["/ab*", "/*bc", "/ab*bc"],
        &["/a*", "/*b", "/a*b", "/*"],
        &["/abc*", "/*cab", "/ab*ab", "/*b"],
        &["/a*", "/aa*", "/*a", "/*aa", "/aa*aa"],
        &["/abc*c", "/ab*bc", "/a*abc", "/*c"],
        &["/*", "/**", "/a*"],
    ];
    for set in sets {
        let routes: Vec<_> = set.iter().map(|path| route(path)).collect();
        let live: Vec<_> = routes
            .iter()
            .map(|route| Live {
                route,
                left: route.path.segments(),
                in_rest: false,
            })
            .collect();
        let matched = |text: &str| -> Vec<bool> {
            live.iter().map(|live| live.after(text).is_some()).collect()
        };
        let told: BTreeSet<_> = wild_texts(&live).iter().map(|text| matched(text)).collect();
        for text in &texts {
            let found = matched(text);
            let any = found.contains(&true);
            assert!(
                !any || told.contains(&found),
                "{text:?} among {set:?}: {found:?}"
            );
        }
    }
}

#[test]
fn a_sample_stands_for_every_host_and_path_that_is_told_apart() {
    let mut exact = route("/v1/{model}/infer");
    exact.hosts = vec![
        HostPattern::parse("a.test").unwrap(),
        HostPattern::parse("*.test").unwrap(),
    ];
    let (named, any) = (
        ["/v1/", "/v1/*", "/v1/*/", "/v1/*/*", "/v1/*/infer"],
        ["host/v1/", "host/v1/*"],
    );
    let expected = named
        .iter()
        .flat_map(|path| [format!("a.test{path}"), format!("host.test{path}")])
        .chain(any.map(str::to_owned))
        .collect();
    assert_eq!(shown(&[exact, route("/v1/**")]), expected);
    let unwanted = Route {
        wanted: false,
        ..route("/v2/{model}")
    };
    assert_eq!(
        shown(&[route("/v1"), unwanted]),
        ["host/v1".to_owned()].into()
    );
}
