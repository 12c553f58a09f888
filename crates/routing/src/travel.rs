//! How far it is: by a graph of roads, and in a straight line where there is none.

use std::collections::HashMap;

use fhir::{Category, Error, IssueCode};
use petgraph::algo::{dijkstra, kosaraju_scc};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::policy::Policy;
use crate::registry::Point;

/// The way to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// How long it takes.
    pub minutes: f64,
    /// In a straight line, in kilometres.
    pub kilometres: f64,
    /// Whether it follows roads; otherwise it is a straight line times a detour.
    pub by_road: bool,
}

/// How far places are.
pub trait Travel: Sync {
    /// The way from one place to each of some.
    fn legs(&self, from: Point, to: &[Point]) -> Vec<Leg>;
}

/// Straight lines, with a factor for the detour.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    detour: f64,
    metres_a_minute: f64,
}

impl Lines {
    /// Lines by the numbers of a policy.
    pub fn new(policy: &Policy) -> Self {
        let travel = &policy.travel;
        Self { detour: travel.detour.value, metres_a_minute: travel.line_speed.value * 1_000.0 / 60.0 }
    }

    fn leg(&self, from: Point, to: Point) -> Leg {
        let metres = from.metres_to(to);
        Leg { minutes: metres * self.detour / self.metres_a_minute, kilometres: metres / 1_000.0, by_road: false }
    }
}

impl Travel for Lines {
    fn legs(&self, from: Point, to: &[Point]) -> Vec<Leg> {
        to.iter().map(|to| self.leg(from, *to)).collect()
    }
}

/// A road as it is drawn on a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The `highway` of OpenStreetMap.
    pub class: String,
    /// Where it goes.
    pub points: Vec<Point>,
}

/// A graph of roads.
pub struct Roads {
    graph: DiGraph<Point, f64>,
    lines: Lines,
    snap: f64,
    metres_a_minute: f64,
    drawn: Vec<Drawn>,
}

/// The largest file of roads that is read, in bytes: a city's roads, without its houses.
const MOST_BYTES: usize = 256 << 20;
/// The most elements of one.
const MOST_ELEMENTS: u32 = 40_000_000;
/// Classes that are drawn.
const DRAWN: [&str; 5] = ["motorway", "trunk", "primary", "secondary", "tertiary"];

impl Roads {
    /// Reads an OpenStreetMap file in XML: its nodes, and those of its ways that are roads by the policy. What lies apart
    /// from the largest connected part is left out, so that every place in it can be reached from every other.
    /// <https://wiki.openstreetmap.org/wiki/OSM_XML>
    ///
    /// # Errors
    /// As [`Category::Invalid`] when it is not such a file or has no roads, and [`Category::TooLarge`] when it is too long.
    pub fn read(bytes: &[u8], policy: &Policy) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(Category::Invalid, IssueCode::Structure, what);
        if bytes.len() > MOST_BYTES {
            let text =
                format!("The file of roads is longer than {} MiB: keep only ways with a highway.", MOST_BYTES >> 20);
            return Err(Error::new(Category::TooLarge, IssueCode::TooLong, text));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("The file of roads is not UTF-8.".to_owned()))?;
        let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MOST_ELEMENTS, ..Default::default() };
        let document = roxmltree::Document::parse_with_options(text, options)
            .map_err(|error| wrong(format!("The file of roads is not sound XML: {error}.")))?;
        let root = document.root_element();
        if root.tag_name().name() != "osm" {
            return Err(wrong("The file of roads does not begin with <osm>.".to_owned()));
        }
        let mut positions: HashMap<i64, Point> = HashMap::new();
        for node in root.children().filter(|node| node.has_tag_name("node")) {
            let number = |name: &str| node.attribute(name).and_then(|text| text.trim().parse::<f64>().ok());
            let id = node.attribute("id").and_then(|text| text.trim().parse::<i64>().ok());
            let point = number("lat").zip(number("lon")).and_then(|(north, east)| Point::new(north, east));
            if let (Some(id), Some(point)) = (id, point) {
                positions.insert(id, point);
            }
        }
        let mut builder = Builder { graph: DiGraph::new(), indexes: HashMap::new(), drawn: Vec::new() };
        for way in root.children().filter(|node| node.has_tag_name("way")) {
            builder.way(way, &positions, policy);
        }
        let Builder { graph, drawn, .. } = builder;
        let largest = kosaraju_scc(&graph).into_iter().max_by_key(Vec::len).filter(|part| part.len() > 1);
        let Some(largest) = largest else {
            return Err(wrong("The file has no roads that lead anywhere and back.".to_owned()));
        };
        let kept: std::collections::HashSet<NodeIndex> = largest.into_iter().collect();
        let graph =
            graph.filter_map(|index, point| kept.contains(&index).then_some(*point), |_, minutes| Some(*minutes));
        let travel = &policy.travel;
        Ok(Self {
            graph,
            lines: Lines::new(policy),
            snap: travel.snap.value,
            metres_a_minute: travel.approach_speed.value * 1_000.0 / 60.0,
            drawn,
        })
    }

    /// The larger roads, to be drawn.
    pub fn drawn(&self) -> &[Drawn] {
        &self.drawn
    }

    /// How many crossings and bends there are.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there are none; a file without roads is not read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nearest point of the graph and how far it is, in metres, where it is near enough.
    fn nearest(&self, to: Point) -> Option<(NodeIndex, f64)> {
        // Near enough on a small piece of the globe to tell which is nearest; the distance itself is measured.
        let east = to.latitude.to_radians().cos();
        let apart = |point: &Point| {
            let (north, across) = (point.latitude - to.latitude, (point.longitude - to.longitude) * east);
            north * north + across * across
        };
        let all = self.graph.node_indices();
        let best = all.min_by(|one, other| apart(&self.graph[*one]).total_cmp(&apart(&self.graph[*other])))?;
        let metres = self.graph[best].metres_to(to);
        (metres <= self.snap).then_some((best, metres))
    }
}

impl std::fmt::Debug for Roads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roads").field("points", &self.len()).finish_non_exhaustive()
    }
}

impl Travel for Roads {
    fn legs(&self, from: Point, to: &[Point]) -> Vec<Leg> {
        let start = self.nearest(from);
        let reached = start.map(|(start, _)| dijkstra(&self.graph, start, None, |edge| *edge.weight()));
        let by_road = |point: Point| {
            let ((_, before), reached) = start.zip(reached.as_ref())?;
            let (end, after) = self.nearest(point)?;
            let minutes = reached.get(&end)? + (before + after) / self.metres_a_minute;
            Some(Leg { minutes, kilometres: from.metres_to(point) / 1_000.0, by_road: true })
        };
        to.iter().map(|point| by_road(*point).unwrap_or_else(|| self.lines.leg(from, *point))).collect()
    }
}

struct Builder {
    graph: DiGraph<Point, f64>,
    indexes: HashMap<i64, NodeIndex>,
    drawn: Vec<Drawn>,
}

impl Builder {
    fn way(&mut self, way: roxmltree::Node<'_, '_>, positions: &HashMap<i64, Point>, policy: &Policy) {
        let tag = |key: &str| {
            let tags = way.children().filter(|one| one.has_tag_name("tag"));
            tags.filter(|one| one.attribute("k") == Some(key)).find_map(|one| one.attribute("v"))
        };
        let Some(class) = tag("highway") else { return };
        let Some(speed) = policy.travel.speed.get(class) else { return };
        if tag("access") == Some("no") {
            return;
        }
        let (forward, back) = match tag("oneway") {
            Some("yes" | "1" | "true") => (true, false),
            Some("-1" | "reverse") => (false, true),
            Some("no" | "0" | "false") => (true, true),
            _ if class == "motorway" || tag("junction") == Some("roundabout") => (true, false),
            _ => (true, true),
        };
        let references = way.children().filter(|one| one.has_tag_name("nd"));
        let ids: Vec<i64> = references
            .filter_map(|one| one.attribute("ref")?.trim().parse().ok())
            .filter(|id| positions.contains_key(id))
            .collect();
        let metres_a_minute = speed * 1_000.0 / 60.0;
        for pair in ids.windows(2) {
            let (Some(start), Some(end)) = (self.index(pair[0], positions), self.index(pair[1], positions)) else {
                continue;
            };
            let minutes = self.graph[start].metres_to(self.graph[end]) / metres_a_minute;
            if start == end {
                continue;
            }
            if forward {
                self.join(start, end, minutes);
            }
            if back {
                self.join(end, start, minutes);
            }
        }
        if DRAWN.contains(&class) && ids.len() > 1 {
            let points = ids.iter().filter_map(|id| positions.get(id)).copied().collect();
            self.drawn.push(Drawn { class: class.to_owned(), points });
        }
    }

    /// Joins two points; of two roads between the same, the quicker counts.
    fn join(&mut self, start: NodeIndex, end: NodeIndex, minutes: f64) {
        let there = self.graph.find_edge(start, end).and_then(|edge| self.graph.edge_weight(edge).copied());
        self.graph.update_edge(start, end, there.map_or(minutes, |there| there.min(minutes)));
    }

    fn index(&mut self, id: i64, positions: &HashMap<i64, Point>) -> Option<NodeIndex> {
        if let Some(index) = self.indexes.get(&id) {
            return Some(*index);
        }
        let index = self.graph.add_node(*positions.get(&id)?);
        self.indexes.insert(id, index);
        Some(index)
    }
}
