use super::*;
use crate::definitions::r4;
use crate::json;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
    "name":[{"use":"official","family":"Qin","given":["Shan","Shui"]},{"use":"usual","given":["He"]}],
    "birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"http://example.org/t","valueString":"noon"}]},
    "deceasedBoolean":false,"managingOrganization":{"reference":"Organization/o"},
    "contained":[{"resourceType":"Organization","id":"c","name":"Inside"}],
    "generalPractitioner":[{"reference":"#c"}]}"##;

/// The results in words, joined by `; `.
fn found(expression: &str) -> Result<String, Error> {
    let patient = json::parse(PATIENT.as_bytes()).unwrap();
    let env = Environment::new(r4()).of(&patient);
    let items = Expression::parse(expression)?.evaluate(&patient, &env)?;
    Ok(items.iter().map(|item| item.to_text().unwrap_or_default().into_owned()).collect::<Vec<_>>().join("; "))
}

fn refusal(expression: &str) -> String {
    found(expression).expect_err(expression).to_string()
}

#[test]
fn paths_find_what_is_in_the_tree() {
    for (expression, expected) in [
        ("Patient.name.given", "Shan; Shui; He"),
        ("name.where(use = 'usual').given", "He"),
        ("Resource.id", "p"),
        ("deceased", "false"),
        ("birthDate.extension.value", "noon"),
        ("birthDate.extension('http://example.org/t').value is string", "true"),
        ("name[1].given[0]", "He"),
        ("generalPractitioner.resolve().name", "Inside"),
        ("managingOrganization.where(resolve() is Organization).reference", "Organization/o"),
        ("name.select(given.count())", "2; 1"),
        ("name.given.aggregate($total & $this, '')", "ShanShuiHe"),
        ("%resource.id & '-' & %context.id", "p-p"),
        ("descendants().ofType(HumanName).count()", "2"),
        ("contained.ofType(Organization).name", "Inside"),
        ("birthDate + 1 month", "1975-01-25"),
        ("nothing", ""),
    ] {
        assert_eq!(found(expression).unwrap(), expected, "{expression}");
    }
}

#[test]
fn results_are_references_into_the_tree() {
    let patient = json::parse(PATIENT.as_bytes()).unwrap();
    let env = Environment::new(r4()).of(&patient);
    let items = Expression::parse("name[0].family").unwrap().evaluate(&patient, &env).unwrap();
    let family = items[0].node().unwrap().value().unwrap();
    assert!(std::ptr::eq(family, &patient["name"][0]["family"]));
}

#[test]
fn a_rule_is_broken_only_by_false() {
    let patient = json::parse(PATIENT.as_bytes()).unwrap();
    let env = Environment::new(r4()).of(&patient);
    let holds =
        |text: &str| Expression::parse(text).unwrap().holds(Item::Node(Node::resource(r4(), &patient)), &env).unwrap();
    assert!(holds("name.exists()"));
    assert!(holds("maritalStatus.coding.code = 'M'"));
    assert!(!holds("name.count() = 1"));
}

#[test]
fn hostile_expressions_end_with_an_error() {
    let nested = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("1{}", " + 1".repeat(5_000));
    let minus = format!("{}1", "-".repeat(5_000));
    for text in [nested, long, minus] {
        assert!(refusal(&text).contains("nesting"), "{}", &text[..20]);
    }
    for text in [
        "(1|2|3|4|5|6|7|8|9).aggregate(iif($total.empty(), 'ab', ($total & $total & $total & $total & $total & $total & $total & $total)), {}).select($this.replace('a', $this)).count()",
        "descendants().select(%resource.descendants().select(%resource.descendants().select(%resource.descendants()))).count()",
        "'a'.matches('a{1000}{1000}{1000}')",
    ] {
        let issue = found(text).expect_err(text);
        assert_eq!(issue.category(), Category::Invalid, "{text}");
    }
    let growing = "(1|2|3|4|5|6|7|8|9).aggregate($total.combine($total).combine($total).combine($total).combine($total).combine($total).combine($total).combine($total), 1)";
    assert!(refusal(growing).contains("more work"));
}

#[test]
fn the_deepest_expression_read_fits_a_small_stack() {
    let nest = |levels: usize, wrap: fn(String) -> String| (0..levels).fold("1".to_owned(), |inner, _| wrap(inner));
    let wraps: [fn(String) -> String; 4] = [
        |inner| format!("({inner})"),
        |inner| format!("iif(true, {inner})"),
        |inner| format!("%context.select({inner})"),
        |inner| format!("true and ({inner}).exists()"),
    ];
    for wrap in wraps {
        // The greatest number of levels that is still read.
        let levels = (1..200).take_while(|levels| Expression::parse(&nest(*levels, wrap)).is_ok()).count();
        assert!(levels > 20, "{levels}");
        let text = nest(levels, wrap);
        let run = move || found(&text).unwrap();
        let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(run).unwrap();
        assert!(thread.join().unwrap().contains(['1', 't']));
    }
}

#[test]
fn what_definitions_tell_to_be_wrong_is_found_without_data() {
    let wrong = |text: &str, type_name: &str| {
        Expression::parse(text).unwrap().check(r4(), type_name).err().map(|error| error.to_string())
    };
    for text in
        ["name.given", "Patient.deceased as boolean", "contained.ofType(Organization).name", "name.where(use = 'x')"]
    {
        assert_eq!(wrong(text, "Patient"), None, "{text}");
    }
    assert_eq!(wrong("name.given1", "Patient").as_deref(), Some("HumanName has no element given1."));
    assert!(wrong("valueQuantity.unit", "Observation").is_some());
    assert!(wrong("children().first()", "Patient").is_some());
}

#[test]
fn syntax_errors_tell_where() {
    assert!(refusal("name.").contains("at byte 5"));
    assert!(refusal("name.frobnicate()").contains("frobnicate"));
    assert!(refusal("name.where()").contains("0 arguments"));
    assert!(refusal("'a").contains("never closed"));
}

#[test]
fn every_rule_of_the_specification_is_read_and_fits_its_type() {
    let (mut rules, mut wrong) = (0, Vec::new());
    for type_def in r4().types() {
        let own = type_def.constraints.iter().map(|rule| (type_def.name, rule));
        let elements = type_def.elements().iter().filter(|element| element.types.len() == 1);
        let inner = elements.flat_map(|element| element.constraints.iter().map(|rule| (element.types[0].code, rule)));
        for (name, rule) in own.chain(inner) {
            let read = Expression::parse(rule.expression).unwrap_or_else(|error| panic!("{}: {error}", rule.key));
            wrong.extend(read.check(r4(), name).err().map(|error| format!("{}: {error}", rule.key)));
            rules += 1;
        }
    }
    assert!(rules > 500, "{rules}");
    // The specification itself asks for elements that are not there.
    assert_eq!(wrong, ["cid-0: ChargeItemDefinition has no element name."]);
}

#[test]
fn every_search_parameter_of_the_specification_is_read_and_fits_its_types() {
    for parameter in r4().search_parameters() {
        let Some(expression) = parameter.expression else { continue };
        let read = Expression::parse(expression).unwrap_or_else(|error| panic!("{}: {error}", parameter.url));
        // One expression joins the paths of all its types, so it fits a type only as a whole when there is one.
        if let [base] = parameter.bases.as_slice()
            && r4().is_resource(base)
        {
            read.check(r4(), base).unwrap_or_else(|error| panic!("{} on {base}: {error}", parameter.url));
        }
    }
}

/// An Observation whose value is this Quantity.
fn measured(quantity: &str, expression: &str) -> String {
    let text = format!(r#"{{"resourceType":"Observation","valueQuantity":{quantity}}}"#);
    let observation = json::parse(text.as_bytes()).unwrap();
    let env = Environment::new(r4()).of(&observation);
    let items = Expression::parse(expression).unwrap().evaluate(&observation, &env).unwrap();
    items.iter().map(|item| item.to_text().unwrap_or_default().into_owned()).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_quantity_is_compared_in_its_unit_and_a_bound_is_not_compared() {
    let plain = r#"{"value":5.50,"system":"http://unitsofmeasure.org","code":"mmol/L"}"#;
    assert_eq!(measured(plain, "value >= 5500 'umol/L' and value < 6 'mmol/L'"), "true");
    assert_eq!(measured(plain, "value > 5 'kg'"), "");
    assert_eq!(measured(plain, "value = 5.5 'kg'"), "false");
    assert_eq!(measured(plain, "value + 1 'mmol/L'"), "6.50 'mmol/L'");
    let bound = r#"{"value":5,"comparator":"<","system":"http://unitsofmeasure.org","code":"mmol/L"}"#;
    assert_eq!(measured(bound, "value >= 5 'mmol/L'"), "");
    let foreign = r#"{"value":2,"unit":"片"}"#;
    assert_eq!(measured(foreign, "value = 2 'mmol/L'"), "false");
    assert_eq!(measured(foreign, "value + value"), "4 '片'");
}

#[test]
fn long_lists_of_text_are_compared_within_bounds() {
    let entries = (0..5_000).map(|at| format!(r#"{{"fullUrl":"urn:uuid:{at}"}}"#)).collect::<Vec<_>>().join(",");
    let text = format!(r#"{{"resourceType":"Bundle","entry":[{entries}]}}"#);
    let bundle = json::parse(text.as_bytes()).unwrap();
    let env = Environment::new(r4()).of(&bundle);
    for expression in [
        "entry.select(fullUrl & resource.meta.versionId).isDistinct()",
        "entry.fullUrl.subsetOf(%resource.entry.fullUrl)",
        "entry.fullUrl.exclude(%resource.entry.fullUrl).empty()",
        "(entry.fullUrl | entry.fullUrl).count() = 5000",
    ] {
        let found = Expression::parse(expression).unwrap().evaluate(&bundle, &env).unwrap();
        assert_eq!(found[0].as_bool(), Some(true), "{expression}");
    }
}

#[test]
fn a_variable_that_is_not_there_or_lacks_the_element_is_found_before_there_is_data() {
    let check = |text: &str| {
        let variables = [("focus", "ServiceRequest"), ("made", "Element")];
        Expression::parse(text).expect("the case parses").check_with(r4(), "Patient", &variables)
    };
    for fits in ["%focus.subject.reference", "%made.anything", "%resource.name", "name.given & %ucum", "%`vs-x`"] {
        assert!(check(fits).is_ok(), "{fits}");
    }
    for wrong in ["%focus.patient", "%patient.name", "%focus.where(colour = 1)", "names"] {
        assert!(check(wrong).is_err(), "{wrong}");
    }
    assert!(Expression::parse("%anything.name").expect("it parses").check(r4(), "Patient").is_ok());
}
