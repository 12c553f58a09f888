//! Of a message: who is paged, and over which channels.

use std::collections::BTreeMap;

use fhir::{Error, IssueCode};
use record::tree::{self, Words, items, put, referred};
use serde_json::Value;

use crate::page::{Channel, Content, Message, Page, Role, State, digest};
use crate::people::Person;
use crate::{Paging, code};

/// Somebody who is paged, and for what.
struct Meant {
    who: Person,
    role: String,
    title: Words,
    everyone: bool,
    place: String,
}

impl Paging {
    /// Decides who is paged for a message, once, and writes it down. What was decided before stays so and is answered.
    pub(crate) async fn decide(&self, tree: &Value) -> Result<Vec<Page>, Error> {
        let Some(mut message) = Message::of(tree, self.zone()) else { return Ok(Vec::new()) };
        // Another process may have decided and not come to handing over.
        let known = self.pages_in(&format!("Communication/{}", message.id)).await?;
        if !known.is_empty() {
            return Ok(known);
        }
        if self.is_drill(message.patient.as_deref()).await? {
            let Words { zh, en } = message.pathway;
            message.pathway = Words { zh: format!("【演练】{zh}"), en: format!("DRILL: {en}") };
        }
        let mut pages = self.planned(&message).await?;
        if pages.is_empty() {
            return Ok(pages);
        }
        let changes = pages.iter().map(|page| put(&page.tree(), None)).collect::<Result<Vec<_>, Error>>()?;
        match self.platform().transact(changes).await {
            Ok(applied) => {
                for (page, done) in pages.iter_mut().zip(applied) {
                    page.version = done.version.map(|version| version.version);
                }
                Ok(pages)
            }
            // Another process has decided meanwhile; whoever looks after pages finds what it wrote.
            Err(refusal) if refusal.is_overtaken() => {
                let text = "Another process pages for this message; it is looked at again.";
                Err(Error::new(fhir::Category::Busy, IssueCode::Transient, text))
            }
            Err(refusal) => Err(refusal.error),
        }
    }

    /// Whether somebody was made up for a drill: nobody must take a page about them for a real one.
    async fn is_drill(&self, patient: Option<&str>) -> Result<bool, Error> {
        let Some(patient) = patient else { return Ok(false) };
        let Some((tree, _)) = tree::read(&self.platform(), patient).await? else { return Ok(false) };
        Ok(items(&tree["meta"]["security"]).any(|one| one["system"] == code::REASON && one["code"] == code::DRILL))
    }

    async fn planned(&self, message: &Message) -> Result<Vec<Page>, Error> {
        let earlier = match &message.run {
            Some(run) => self.pages_of(run).await?,
            None => Vec::new(),
        };
        let mut meant: BTreeMap<String, Meant> = BTreeMap::new();
        let mut pages = Vec::new();
        if message.stands_down {
            // Whoever was called out must hear that it is over, whoever is on call by now.
            for page in &earlier {
                self.again(page, &mut meant).await?;
            }
        } else {
            for role in &message.roles {
                if self.meant_by(role, &mut meant).await? {
                    pages.push(self.nobody_on_call(message, role).await?);
                }
                // Who was called stays called, also when their shift ends before they have answered.
                for page in earlier.iter().filter(|page| page.role == role.code && !page.everyone) {
                    self.again(page, &mut meant).await?;
                }
            }
        }
        let many = meant.values().filter(|one| one.everyone).count() > self.settings().everyone_most;
        for (reference, one) in &meant {
            let mut channels = self.channels_of(&one.who).await?;
            if one.everyone && many {
                channels.retain(|channel| *channel == Channel::Push);
            }
            let none = channels.is_empty();
            if none && one.everyone {
                continue;
            }
            if none {
                channels.push(Channel::Screen);
            }
            let no_way = || ("no-channel".to_owned(), "No device and no number is known of them.".to_owned());
            pages.extend(channels.into_iter().map(|channel| Page {
                id: digest(&[&message.id, reference, channel.code()]),
                version: None,
                message: message.id.clone(),
                run: message.run.clone(),
                channel,
                state: if none { State::NoWay } else { State::Waiting },
                who: (reference.clone(), one.who.name.clone()),
                role: one.role.clone(),
                title: one.title.clone(),
                everyone: one.everyone,
                stands_down: message.stands_down,
                content: Content {
                    pathway: message.pathway.clone(),
                    what: message.what.clone(),
                    place: one.place.clone(),
                    at: message.at,
                },
                priority: message.priority.clone(),
                attempts: 0,
                next: self.now(),
                sent: none.then(|| self.now()),
                failure: none.then(no_way),
            }));
        }
        Ok(pages)
    }

    /// Somebody who was paged before, once more.
    async fn again(&self, page: &Page, meant: &mut BTreeMap<String, Meant>) -> Result<(), Error> {
        if meant.contains_key(&page.who.0) {
            return Ok(());
        }
        if let Some(who) = self.person(&page.who.0).await? {
            let (role, title, everyone) = (page.role.clone(), page.title.clone(), page.everyone);
            let place = page.content.place.clone();
            meant.insert(page.who.0.clone(), Meant { who, role, title, everyone, place });
        }
        Ok(())
    }

    /// What says that nobody was on call for a role: it is told on the screens of whoever holds the post.
    async fn nobody_on_call(&self, message: &Message, role: &Role) -> Result<Page, Error> {
        let text = "Nobody is on the roster; everybody who holds the post is told.".to_owned();
        Ok(Page {
            id: digest(&[&message.id, &role.code, "nobody-on-call"]),
            version: None,
            message: message.id.clone(),
            run: message.run.clone(),
            channel: Channel::Screen,
            state: State::NoWay,
            who: (role.party.clone(), self.house_name(&role.party).await?),
            role: role.code.clone(),
            title: role.title.clone(),
            everyone: true,
            stands_down: false,
            content: Content {
                pathway: message.pathway.clone(),
                what: message.what.clone(),
                place: String::new(),
                at: message.at,
            },
            priority: message.priority.clone(),
            attempts: 0,
            next: self.now(),
            sent: Some(self.now()),
            failure: Some(("nobody-on-call".to_owned(), text)),
        })
    }

    /// What an organization is called.
    pub(crate) async fn house_name(&self, organization: &str) -> Result<String, Error> {
        let tree = tree::read(&self.platform(), organization).await?;
        Ok(tree.and_then(|(tree, _)| tree["name"].as_str().map(str::to_owned)).unwrap_or_default())
    }

    /// Who is meant by a role: who is on call for it, and otherwise everybody who holds the post. Says whether nobody
    /// was on call.
    async fn meant_by(&self, role: &Role, meant: &mut BTreeMap<String, Meant>) -> Result<bool, Error> {
        let (houses, mut people) = self.at(&role.party).await?;
        let mut everyone = false;
        if people.is_empty() && !houses.is_empty() {
            for post in self.on_call(&role.call, &houses, self.now()).await? {
                people.extend(self.person(&post).await?);
            }
            if people.is_empty() {
                people = self.holders(&houses, &role.duties).await?;
                everyone = true;
            }
        }
        let place = match houses.last() {
            Some(house) => self.house_name(&format!("Organization/{house}")).await?,
            None => String::new(),
        };
        for who in people {
            let reference = who.reference();
            // Who is on call for one role is not one of everybody for another.
            let is_better = meant.get(&reference).is_none_or(|known| known.everyone && !everyone);
            if is_better {
                let (role, title) = (role.code.clone(), role.title.clone());
                meant.insert(reference, Meant { who, role, title, everyone, place: place.clone() });
            }
        }
        Ok(everyone)
    }

    /// The houses a party is at, the innermost first, or the people it is.
    async fn at(&self, party: &str) -> Result<(Vec<String>, Vec<Person>), Error> {
        match party.split_once('/').unwrap_or_default() {
            ("Organization", _) => Ok((tree::up_from(&self.platform(), party).await?, Vec::new())),
            ("HealthcareService", _) => {
                let service = tree::read(&self.platform(), party).await?;
                match service.as_ref().and_then(|(tree, _)| referred(&tree["providedBy"])) {
                    Some(house) => Ok((tree::up_from(&self.platform(), house).await?, Vec::new())),
                    None => Ok((Vec::new(), Vec::new())),
                }
            }
            ("CareTeam", _) => {
                let mut people = Vec::new();
                if let Some((team, _)) = tree::read(&self.platform(), party).await? {
                    for member in items(&team["participant"]).filter_map(|one| referred(&one["member"])) {
                        people.extend(self.person(member).await?);
                    }
                }
                Ok((Vec::new(), people))
            }
            _ => {
                let person = self.person(party).await?;
                let house = person.as_ref().map(|one| format!("Organization/{}", one.organization));
                let houses = match house.filter(|house| house.len() > "Organization/".len()) {
                    Some(house) => tree::up_from(&self.platform(), &house).await?,
                    None => Vec::new(),
                };
                Ok((houses, person.into_iter().collect()))
            }
        }
    }

    /// The channels over which somebody is reached.
    pub(crate) async fn channels_of(&self, who: &Person) -> Result<Vec<Channel>, Error> {
        let mut channels = Vec::new();
        if self.has_device(&who.practitioner).await? {
            channels.push(Channel::Push);
        }
        let settings = self.settings();
        let is_used = |channel: Channel| settings.gateway.is_some() && settings.channels.contains(&channel);
        if is_used(Channel::Sms) && who.mobile.is_some() {
            channels.push(Channel::Sms);
        }
        if is_used(Channel::Voice) && who.phone.is_some() {
            channels.push(Channel::Voice);
        }
        Ok(channels)
    }

    /// All pages about a run.
    pub(crate) async fn pages_of(&self, run: &str) -> Result<Vec<Page>, Error> {
        self.pages_in(&format!("Task/{run}")).await
    }

    /// All pages that are part of something, or of one of several things named with commas in between.
    pub(crate) async fn pages_in(&self, whole: &str) -> Result<Vec<Page>, Error> {
        let asked = [
            ("part-of", whole.to_owned()),
            ("category", format!("{}|{}", code::NOTICE, code::PAGED)),
            ("_count", "500".to_owned()),
        ];
        let zone = self.zone();
        let found = tree::every_version(&self.platform(), "Communication", &asked).await?;
        Ok(found.iter().filter_map(|(tree, version)| Page::of(tree, *version, zone)).collect())
    }
}
