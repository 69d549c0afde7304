//! What is asked about the network, answered from Envoy's configuration.

use super::Answer;
use crate::cli::evidence::coverage;
use crate::cli::evidence::inventory::GapKind;
use crate::cli::evidence::pack::{Pack, Page};
use crate::cli::evidence::topology::{Encryption, Gate};

pub(super) fn encryption(pack: &Pack) -> Answer {
    let question = "Is traffic encrypted?";
    let Some(envoy) = &pack.inventory.envoy else {
        return unknown(pack, question);
    };
    let plain_listeners: Vec<&str> = envoy
        .chains()
        .filter(|(listener, chain)| {
            chain.gate == Gate::Here && chain.encryption == Encryption::None && !listener.is_local()
        })
        .map(|(listener, _)| listener.name.as_str())
        .collect();
    let models = coverage::model_clusters(&pack.inventory.configuration, envoy);
    let plain_clusters: Vec<&str> = envoy
        .clusters
        .iter()
        .filter(|cluster| {
            models.contains(&cluster.name)
                && cluster.encryption == Encryption::None
                && !cluster.is_local()
        })
        .map(|cluster| cluster.name.as_str())
        .collect();
    let mut sentences = Vec::new();
    let stands = envoy.chains().any(|(_, chain)| chain.gate == Gate::Here);
    if !stands {
        sentences.push(pack.sentence(Page::Exposure, "No listener has the gate."));
    }
    for (what, plain) in [
        ("Listeners of the gate", &plain_listeners),
        ("Clusters of model servers", &plain_clusters),
    ] {
        sentences.push(pack.sentence(Page::Exposure, if plain.is_empty() {
            format!("{what} use TLS, or stay on the machine.")
        } else {
            format!("{what} without TLS: {}. A mesh may encrypt below Envoy; the configuration does not tell.", plain.join(", "))
        }));
    }
    let good = stands && plain_listeners.is_empty() && plain_clusters.is_empty();
    Answer {
        question,
        verdict: if good {
            "Yes, or local"
        } else {
            "Not by Envoy everywhere"
        }
        .to_owned(),
        is_good: good,
        sentences,
    }
}

pub(super) fn exposure(pack: &Pack) -> Answer {
    let question = "Can a model server be reached without the gate?";
    let Some(envoy) = &pack.inventory.envoy else {
        return unknown(pack, question);
    };
    let ways = pack
        .inventory
        .gaps
        .iter()
        .filter(|gap| gap.kind.is_open() || gap.kind == GapKind::OtherConfiguration)
        .count();
    let models = coverage::model_clusters(&pack.inventory.configuration, envoy);
    let remote: Vec<&str> = envoy
        .clusters
        .iter()
        .filter(|cluster| models.contains(&cluster.name) && !cluster.is_local())
        .map(|cluster| cluster.name.as_str())
        .collect();
    let mut sentences = vec![pack.sentence(
        Page::Exposure,
        if ways == 0 {
            "Through this Envoy, every way to a model server leads through the gate.".to_owned()
        } else {
            format!(
                "Through this Envoy, {} to a model server without this gate.",
                if ways == 1 {
                    "1 way leads".to_owned()
                } else {
                    format!("{ways} ways lead")
                }
            )
        },
    )];
    if !remote.is_empty() {
        sentences.push(pack.sentence(
            Page::Exposure,
            format!("Whether others can reach the model servers' own addresses ({}) is the network's to say; no gate can prove it.", remote.join(", ")),
        ));
    }
    Answer {
        question,
        verdict: if ways == 0 {
            "Not through Envoy"
        } else {
            "Yes"
        }
        .to_owned(),
        is_good: ways == 0,
        sentences,
    }
}

fn unknown(pack: &Pack, question: &'static str) -> Answer {
    Answer {
        question,
        verdict: "Not known".to_owned(),
        is_good: false,
        sentences: vec![pack.sentence(
            Page::Exposure,
            "Only the plugin configuration was read; listeners and clusters were not in it.",
        )],
    }
}
