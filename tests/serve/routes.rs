//! Every route that there is, as somebody else.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use super::{Served, endless};

/// Each method and path of the description, as one of namespace `a`.
fn routes(served: &Served) -> Vec<(String, String)> {
    let (_, text) = served.http("GET", "/openapi.json", "", "");
    let description: Value = serde_json::from_str(&text).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let kind = match path.contains("/secrets/") {
            true => "key",
            false => "victim",
        };
        let mut path = path.replace("{namespace}", "a").replace("{name}", kind);
        // Whatever else a route takes.
        while let Some(from) = path.find('{') {
            let to = path.find('}').unwrap();
            path.replace_range(from..=to, "numbers");
        }
        for method in methods.as_object().unwrap().keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    routes
}

/// What of a namespace is on disk that nobody changes by running: names and bytes.
fn kept(served: &Served, namespace: &str) -> BTreeMap<String, Vec<u8>> {
    let data = served.folder.path().join("data");
    let mut files = BTreeMap::new();
    let secrets = data.join(format!("secrets/{namespace}.secrets"));
    for folder in [data.join("namespaces").join(namespace), secrets] {
        for entry in walkdir::WalkDir::new(&folder) {
            // A mark comes and goes with each batch.
            let Ok(entry) = entry else { continue };
            let path = entry.path();
            if path.is_file() && !path.ends_with("in-flight") {
                let bytes = fs::read(path).unwrap_or_default();
                files.insert(path.to_str().unwrap().to_owned(), bytes);
            }
        }
    }
    files
}

#[test]
fn every_route_is_closed_to_others() {
    let served = Served::start();
    let (mine, theirs) = (
        served.token(&["--namespace", "a"]),
        served.token(&["--namespace", "b"]),
    );
    let secret = serde_json::json!({ "value": "of a" }).to_string();
    let key = "/v1/namespaces/a/secrets/key";
    assert_eq!(served.http("PUT", key, &mine, &secret).0, 204);
    assert_eq!(served.deploy("a", &mine, &endless("victim")).0, 201);
    served.until(&mine, "victim", |status| {
        status["batches"].as_u64() > Some(1)
    });
    let before = kept(&served, "a");
    assert!(
        before
            .keys()
            .any(|path| Path::new(path).ends_with("record.json"))
    );
    let routes = routes(&served);
    assert!(routes.len() >= 13, "{routes:?}");
    let wrong = format!("rsrt_000000000000_{}", mine.rsplit('_').next().unwrap());
    let upload = serde_json::json!({ "topology": endless("victim"), "value": "of b" }).to_string();
    for (method, path) in &routes {
        for body in ["", &upload, &secret] {
            for nobody in ["", &wrong] {
                let (code, answer) = served.http(method, path, nobody, body);
                let is_refused = match path.as_str() {
                    "/openapi.json" => code == 200,
                    // Who shows many that are wrong is told to wait.
                    _ => code == 401 || code == 429 && !nobody.is_empty(),
                };
                assert!(is_refused, "{method} {path}: {code} {answer}");
            }
            if !path.contains("/a/") && !path.ends_with("/a") {
                continue;
            }
            let foreign = served.http(method, path, &theirs, body);
            assert_eq!(foreign.0, 404, "{method} {path}: {}", foreign.1);
            // As if there were no such namespace, or nothing in it.
            let nowhere = path.replacen("/namespaces/a", "/namespaces/nobody", 1);
            assert_eq!(
                foreign,
                served.http(method, &nowhere, &theirs, body),
                "{method} {path}"
            );
            // The same name in one's own namespace is not theirs.
            if path.contains("victim") || path.contains("key") {
                let own = path.replacen("/namespaces/a", "/namespaces/b", 1);
                let is_new = method == "PUT" || method == "POST";
                let (code, answer) = served.http(method, &own, &theirs, body);
                assert!(
                    code == 404 || is_new && code < 500,
                    "{method} {own}: {code} {answer}"
                );
                served.http("DELETE", "/v1/namespaces/b/secrets/key", &theirs, "");
            }
        }
    }
    assert_eq!(kept(&served, "a"), before, "nothing of it was changed");
    let status = served.status(&mine, "victim");
    assert_eq!(
        (&status["phase"], &status["version"]),
        (&"running".into(), &1.into())
    );
    let batches = status["batches"].as_u64();
    served.until(&mine, "victim", |status| {
        status["batches"].as_u64() > batches
    });
}
