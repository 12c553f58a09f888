//! Resources that activities make: a tree put together element by element from what FHIRPath gives.

use fhir::definitions::{self, TypeDef};
use fhir::path::{Item, Measure};
use fhir::{Error, json};
use serde_json::{Map, Value as Json, json};

/// The JSON of a FHIRPath result.
pub(super) fn to_json(item: &Item<'_>) -> Result<Json, Error> {
    Ok(match item {
        Item::Node(node) => match node.value() {
            Some(value) => serde_json::from_slice(&json::to_bytes(value)).map_err(Error::fault)?,
            None => Json::Null,
        },
        Item::Boolean(flag) => (*flag).into(),
        Item::Integer(number) => (*number).into(),
        Item::Decimal(number) => serde_json::from_str(&number.to_string()).map_err(Error::fault)?,
        Item::Quantity(quantity) => {
            let value: Json = serde_json::from_str(&quantity.value.to_string()).map_err(Error::fault)?;
            match &quantity.unit {
                Measure::Ucum(code) => {
                    json!({ "value": value, "system": "http://unitsofmeasure.org", "code": code.to_string() })
                }
                Measure::Other(unit) => json!({ "value": value, "unit": unit.to_string() }),
                _ => json!({ "value": value }),
            }
        }
        other => match other.to_text() {
            Some(text) => text.into_owned().into(),
            None => Json::Null,
        },
    })
}

/// The JSON of all a FHIRPath expression gives.
pub(super) fn all_to_json(items: Vec<Item<'_>>) -> Result<Vec<Json>, Error> {
    items.iter().map(to_json).collect()
}

/// Puts values into a resource at a path such as `status` or `participant[0].actor`. Where FHIR has a list, all values
/// become the list, or the one item that is named; elsewhere there can be one value only. No value changes nothing.
pub(super) fn put(resource: &mut Map<String, Json>, path: &str, values: Vec<Json>) -> Result<(), Error> {
    if values.is_empty() {
        return Ok(());
    }
    let r4 = definitions::r4();
    let type_ = resource.get("resourceType").and_then(|name| name.as_str()).and_then(|name| r4.type_(name));
    let steps: Vec<(&str, Option<usize>)> = path.split('.').map(step).collect::<Result<_, Error>>()?;
    set(resource, type_, &steps, values)
}

/// Puts items at the end of the list at a path, each made of elements whose paths begin at the item. `anew` does away with
/// what stood in the list before; no items change nothing. An item of which nothing is known is left out. Answers whether
/// anything was put.
pub(super) fn put_items(
    resource: &mut Map<String, Json>,
    path: &str,
    items: Vec<Vec<(&str, Vec<Json>)>>,
    anew: bool,
) -> Result<bool, Error> {
    let items: Vec<_> = items.into_iter().filter(|item| item.iter().any(|(_, values)| !values.is_empty())).collect();
    if items.is_empty() {
        return Ok(false);
    }
    let r4 = definitions::r4();
    let type_ = resource.get("resourceType").and_then(|name| name.as_str()).and_then(|name| r4.type_(name));
    let mut to: Vec<(&str, Option<usize>)> = path.split('.').map(step).collect::<Result<_, Error>>()?;
    let Some((last, _)) = to.pop() else { return Ok(false) };
    if anew {
        within(resource, &to).map(|holder| holder.remove(last));
    }
    let first = within(resource, &to).and_then(|holder| holder.get(last)?.as_array()).map_or(0, Vec::len);
    for (at, item) in items.into_iter().enumerate() {
        for (path, values) in item.into_iter().filter(|(_, values)| !values.is_empty()) {
            let mut steps = to.clone();
            steps.push((last, Some(first + at)));
            steps.extend(path.split('.').map(step).collect::<Result<Vec<_>, Error>>()?);
            set(resource, type_, &steps, values)?;
        }
    }
    Ok(true)
}

/// What stands at a path, where it has elements.
fn within<'o>(object: &'o mut Map<String, Json>, steps: &[(&str, Option<usize>)]) -> Option<&'o mut Map<String, Json>> {
    steps.iter().try_fold(object, |object, (name, index)| match object.get_mut(*name)? {
        Json::Array(list) => list.get_mut(index.unwrap_or(0))?.as_object_mut(),
        one => one.as_object_mut(),
    })
}

fn step(text: &str) -> Result<(&str, Option<usize>), Error> {
    let Some((name, rest)) = text.split_once('[') else { return Ok((text, None)) };
    let index = rest.strip_suffix(']').and_then(|index| index.parse().ok());
    match index {
        // A list that grows by what is written in a protocol grows by little.
        Some(index) if index < 100 => Ok((name, Some(index))),
        _ => Err(Error::invalid(format!("\"{text}\" is no step of a path: it reads name or name[0]."))),
    }
}

fn set(
    object: &mut Map<String, Json>,
    type_: Option<&TypeDef>,
    steps: &[(&str, Option<usize>)],
    mut values: Vec<Json>,
) -> Result<(), Error> {
    let Some(((name, index), rest)) = steps.split_first() else { return Ok(()) };
    let child = type_.and_then(|type_| type_.child(name));
    if type_.is_some() && child.is_none() {
        let of = type_.map_or("", |type_| type_.name);
        return Err(Error::invalid(format!("{of} has no element \"{name}\".")));
    }
    let is_list = index.is_some() || child.is_some_and(|child| child.element.max != Some(1));
    let inner = child.map(|child| definitions::r4().type_at(child.type_id));
    let place = if is_list {
        if rest.is_empty() && index.is_none() {
            object.insert((*name).to_owned(), values.into());
            return Ok(());
        }
        let list = object.entry(*name).or_insert_with(|| Json::Array(Vec::new()));
        let list = list.as_array_mut().ok_or_else(|| Error::invalid(format!("\"{name}\" is no list.")))?;
        let at = index.unwrap_or(0);
        while list.len() <= at {
            list.push(Json::Object(Map::new()));
        }
        &mut list[at]
    } else {
        object.entry(*name).or_insert_with(|| Json::Object(Map::new()))
    };
    if rest.is_empty() {
        if values.len() > 1 {
            return Err(Error::invalid(format!("\"{name}\" can hold one value, and there are {}.", values.len())));
        }
        *place = values.remove(0);
        return Ok(());
    }
    let place = place.as_object_mut().ok_or_else(|| Error::invalid(format!("\"{name}\" has no elements.")))?;
    set(place, inner, rest, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(type_: &str, sets: &[(&str, &[&str])]) -> Result<Json, Error> {
        let mut resource = Map::from_iter([("resourceType".to_owned(), Json::from(type_))]);
        for (path, values) in sets {
            put(&mut resource, path, values.iter().map(|value| (*value).into()).collect())?;
        }
        Ok(Json::Object(resource))
    }

    #[test]
    fn a_list_of_fhir_is_a_list_and_all_else_is_not() {
        let made = made(
            "Appointment",
            &[
                ("status", &["booked"]),
                ("participant[1].actor.reference", &["Patient/p"]),
                ("participant[0].status", &["accepted"]),
                ("serviceType.coding.code", &["x"]),
                ("reasonCode.text", &["a"]),
            ],
        );
        let expected = json!({
            "resourceType": "Appointment", "status": "booked",
            "participant": [{ "status": "accepted" }, { "actor": { "reference": "Patient/p" } }],
            "serviceType": [{ "coding": [{ "code": "x" }] }], "reasonCode": [{ "text": "a" }],
        });
        assert_eq!(made.unwrap(), expected);
    }

    #[test]
    fn items_stand_one_after_the_other_and_the_first_take_the_place_of_those_before() {
        let text = |text: &str| vec![Json::from(text)];
        let item = |code: &str, words: &str| {
            let words = if words.is_empty() { Vec::new() } else { text(words) };
            vec![("detail.status", text(code)), ("detail.description", words)]
        };
        let mut plan = Map::from_iter([("resourceType".to_owned(), Json::from("CarePlan"))]);
        put(&mut plan, "activity[0].detail.status", text("unknown")).unwrap();
        put_items(&mut plan, "activity", Vec::new(), true).unwrap();
        assert_eq!(plan["activity"], json!([{ "detail": { "status": "unknown" } }]), "nothing found changes nothing");
        put_items(&mut plan, "activity", vec![item("scheduled", "a"), item("on-hold", "")], true).unwrap();
        put_items(&mut plan, "activity", vec![item("completed", "b"), Vec::new()], false).unwrap();
        let expected = json!([
            { "detail": { "status": "scheduled", "description": "a" } },
            { "detail": { "status": "on-hold" } },
            { "detail": { "status": "completed", "description": "b" } },
        ]);
        assert_eq!(plan["activity"], expected);
        assert!(put_items(&mut plan, "activity", vec![vec![("state", text("x"))]], false).is_err());
    }

    #[test]
    fn what_fhir_does_not_know_cannot_be_put_anywhere() {
        assert!(made("Appointment", &[("state", &["booked"])]).is_err());
        assert!(made("Appointment", &[("status", &["booked", "arrived"])]).is_err());
        assert_eq!(made("Appointment", &[("status", &[])]).unwrap(), json!({ "resourceType": "Appointment" }));
    }
}
