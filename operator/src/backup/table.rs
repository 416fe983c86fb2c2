//! A table of objects in the place of the API server, for tests of what is asked of it: which
//! calls, in which order, and what becomes of a refusal.
//!
//! It knows paths, versions and preconditions, and nothing of schemas, owners or garbage.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;
use tower_test::mock;

/// The table; clones are the same one.
#[derive(Clone, Default)]
pub struct Table(Arc<Mutex<Rows>>);

#[derive(Default)]
struct Rows {
    objects: BTreeMap<String, Value>,
    changes: Vec<String>,
    refused: BTreeMap<String, (StatusCode, &'static str)>,
    dropped: Vec<(&'static str, &'static str)>,
    version: u64,
}

impl Table {
    /// With these objects, by path.
    pub fn with(objects: &[(&str, Value)]) -> Self {
        let table = Self::default();
        for (path, object) in objects {
            table.put(path, object.clone());
        }
        table
    }

    /// Puts an object there, as somebody else would.
    pub fn put(&self, path: &str, object: Value) {
        self.rows().objects.insert(path.to_owned(), object);
    }

    /// The object of this path.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.rows().objects.get(path).cloned()
    }

    /// All objects right below this path.
    pub fn list(&self, path: &str) -> Vec<Value> {
        self.rows().list(path)
    }

    /// The changes that were asked for since the last time, as method and path; refused ones too.
    pub fn changes(&self) -> Vec<String> {
        std::mem::take(&mut self.rows().changes)
    }

    /// Refuses this method on this path from now on.
    pub fn refuse(&self, call: &str, code: StatusCode, message: &'static str) {
        self.rows().refused.insert(call.to_owned(), (code, message));
    }

    /// Drops this field of this object whenever it is written, as for a definition without it.
    pub fn drop_field(&self, parent: &'static str, field: &'static str) {
        self.rows().dropped.push((parent, field));
    }

    /// A client of it, and the task that answers.
    pub fn serve(&self) -> (Client, AbortOnDropHandle<()>) {
        let (service, mut handle) = mock::pair::<Request<Body>, Response<Body>>();
        let table = self.clone();
        let serving = async move {
            let mut watches = Vec::new();
            while let Some((request, respond)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                let query = parts.uri.query().unwrap_or_default();
                if query.contains("watch=true") {
                    // Nothing ever happens there.
                    watches.push(respond);
                    continue;
                }
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let is_list = query.contains("limit=");
                let answer = table.rows().answer(&parts.method, parts.uri.path(), body, is_list);
                let (status, answer) = answer;
                let answer = Body::from(serde_json::to_vec(&answer).unwrap());
                respond.send_response(Response::builder().status(status).body(answer).unwrap());
            }
        };
        (Client::new(service, "shop"), AbortOnDropHandle::new(tokio::spawn(serving)))
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap()
    }
}

impl Rows {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        body: Value,
        is_list: bool,
    ) -> (StatusCode, Value) {
        let call = format!("{method} {path}");
        if *method != Method::GET {
            self.changes.push(call.clone());
        }
        if let Some((code, message)) = self.refused.get(&call) {
            return refusal(*code, message);
        }
        match *method {
            Method::GET if is_list => {
                let items = self.list(path);
                let metadata = json!({"resourceVersion": "1"});
                let list = json!({"apiVersion": "v1", "kind": "List", "metadata": metadata,
                                  "items": items});
                (StatusCode::OK, list)
            }
            Method::GET => match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None => refusal(StatusCode::NOT_FOUND, "not found"),
            },
            Method::POST => self.create(path, body),
            Method::DELETE => self.delete(path, &body),
            _ => self.write(path, body),
        }
    }

    fn list(&self, path: &str) -> Vec<Value> {
        let below = format!("{path}/");
        let is_below = |key: &str| key.strip_prefix(&below).is_some_and(|name| !name.contains('/'));
        self.objects.iter().filter(|(key, _)| is_below(key)).map(|(_, one)| one.clone()).collect()
    }

    fn create(&mut self, path: &str, mut object: Value) -> (StatusCode, Value) {
        self.version += 1;
        let generated = format!("generated-{}", self.version);
        let name = object["metadata"]["name"].as_str().unwrap_or(&generated).to_owned();
        let path = format!("{path}/{name}");
        if self.objects.contains_key(&path) {
            return refusal(StatusCode::CONFLICT, "it is there already");
        }
        object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path, object.clone());
        (StatusCode::CREATED, object)
    }

    fn delete(&mut self, path: &str, options: &Value) -> (StatusCode, Value) {
        let Some(object) = self.objects.get(path) else {
            return refusal(StatusCode::NOT_FOUND, "not found");
        };
        if !is_met(object, &options["preconditions"]) {
            return refusal(StatusCode::CONFLICT, "it is another one");
        }
        self.objects.remove(path);
        (StatusCode::OK, json!({"kind": "Status", "status": "Success"}))
    }

    /// Patches merge and so do replacements: what is tested never leaves out what it wants gone.
    fn write(&mut self, path: &str, body: Value) -> (StatusCode, Value) {
        let path = path.strip_suffix("/status").unwrap_or(path);
        let there = self.objects.get(path).cloned();
        // As a real one it creates what is not there, whatever version is asked for, but not the UID.
        let is_refused = match &there {
            Some(there) => !is_met(there, &body["metadata"]),
            None => body["metadata"]["uid"].is_string(),
        };
        if is_refused {
            return refusal(StatusCode::CONFLICT, "it has changed");
        }
        let mut object = there.unwrap_or_else(|| json!({}));
        let before = object.clone();
        merge(&mut object, body);
        for (parent, field) in &self.dropped {
            if let Some(Value::Object(parent)) = object.pointer_mut(parent) {
                parent.remove(*field);
            }
        }
        if object == before {
            return (StatusCode::OK, object);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(format!("w{}", self.version));
        self.objects.insert(path.to_owned(), object.clone());
        (StatusCode::OK, object)
    }
}

/// Whether an object has the UID and the version that are asked for, if any are.
fn is_met(object: &Value, asked: &Value) -> bool {
    ["uid", "resourceVersion"]
        .iter()
        .all(|key| asked[*key].is_null() || object["metadata"][*key] == asked[*key])
}

fn merge(object: &mut Value, patch: Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, patch) => *object = patch,
    }
}

fn refusal(code: StatusCode, message: &str) -> (StatusCode, Value) {
    let reason = match code {
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::CONFLICT => "Conflict",
        StatusCode::FORBIDDEN => "Forbidden",
        _ => "InternalError",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason,
                      "code": code.as_u16(), "message": message});
    (code, body)
}
