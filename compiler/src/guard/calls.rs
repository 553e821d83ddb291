//! Which functions need a poll at their entry: those through which calls can go round in a circle, and those whose calls add up.
//!
//! A call through a table may reach every function of the right type whose address is taken anywhere in the module.

use std::collections::HashMap;
use std::ops::Index;

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{ElementItems, FunctionBody, Operator, Parser, Payload};

use super::{bulk, unreadable};

/// For each defined function, whether it is polled at its entry.
pub struct Entries {
    /// How many functions come before the defined ones.
    pub imported: u32,
    polled: Vec<bool>,
}

impl Index<usize> for Entries {
    type Output = bool;

    fn index(&self, defined: usize) -> &bool {
        &self.polled[defined]
    }
}

/// What a function calls, and what it costs without that.
#[derive(Default)]
struct Node {
    weight: u64,
    calls: Vec<Call>,
}

enum Call {
    /// A defined function.
    Direct(usize),
    /// Any of the given type whose address is taken; the number is that of the class of equal types.
    Indirect(usize),
}

pub fn entries(module: &[u8], types: &TypesRef<'_>, stretch: u64) -> Result<Entries> {
    let mut graph = Graph::read(module, types)?;
    let mut polled = graph.circular();
    graph.accumulate(&mut polled, stretch);
    Ok(Entries { imported: graph.imported, polled })
}

struct Graph {
    imported: u32,
    nodes: Vec<Node>,
    /// By class of type: the defined functions that a table may hold.
    targets: Vec<Vec<usize>>,
}

impl Graph {
    fn read(module: &[u8], types: &TypesRef<'_>) -> Result<Graph> {
        // Types that are equal are interchangeable in a call, whatever their indices.
        let mut classes = HashMap::new();
        let mut class_of = |ty: &wasmparser::FuncType| {
            let next = classes.len();
            *classes.entry(ty.clone()).or_insert(next)
        };
        let class_by_type: Vec<usize> = (0..types.core_type_count_in_module())
            .map(|index| match &types[types.core_type_at_in_module(index)].composite_type.inner {
                wasmparser::CompositeInnerType::Func(ty) => class_of(ty),
                _ => usize::MAX,
            })
            .collect();
        let mut taken = Vec::new();
        let mut nodes = Vec::new();
        let mut imported = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(unreadable)? {
                Payload::FunctionSection(section) => imported = types.function_count() - section.count(),
                Payload::ElementSection(section) => {
                    for element in section {
                        match element.map_err(unreadable)?.items {
                            ElementItems::Functions(functions) => {
                                for function in functions {
                                    taken.push(function.map_err(unreadable)?);
                                }
                            }
                            ElementItems::Expressions(_, expressions) => {
                                for expression in expressions {
                                    let expression = expression.map_err(unreadable)?;
                                    for operator in expression.get_operators_reader() {
                                        taken.extend(referenced(&operator.map_err(unreadable)?));
                                    }
                                }
                            }
                        }
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        for operator in global.map_err(unreadable)?.init_expr.get_operators_reader() {
                            taken.extend(referenced(&operator.map_err(unreadable)?));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => nodes.push(node(&body, imported, &class_by_type, &mut taken)?),
                _ => {}
            }
        }
        taken.sort_unstable();
        taken.dedup();
        let mut targets = vec![Vec::new(); classes.len()];
        for function in taken.into_iter().filter(|function| *function >= imported) {
            let class = classes[types[types.core_function_at(function)].unwrap_func()];
            targets[class].push((function - imported) as usize);
        }
        Ok(Graph { imported, nodes, targets })
    }

    /// How many nodes there are: the functions, and behind them one for each class of types, through which calls by a table go.
    /// So many calls to many functions are few edges.
    fn count(&self) -> usize {
        self.nodes.len() + self.targets.len()
    }

    /// Where the edges of a node lead: for a function the `nth` of its calls, for a class the `nth` of its functions.
    fn edge(&self, from: usize, nth: usize) -> Option<usize> {
        let functions = self.nodes.len();
        if from >= functions {
            return self.targets[from - functions].get(nth).copied();
        }
        self.nodes[from].calls.get(nth).map(|call| match call {
            Call::Direct(function) => *function,
            Call::Indirect(class) => functions + class,
        })
    }

    fn edges(&self, from: usize) -> impl Iterator<Item = usize> {
        (0..).map_while(move |nth| self.edge(from, nth))
    }

    /// Which functions lie on a circle of calls. Tarjan's algorithm for strongly connected components, without recursion.
    fn circular(&self) -> Vec<bool> {
        const UNSEEN: usize = usize::MAX;
        let (functions, count) = (self.nodes.len(), self.count());
        let mut circular = vec![false; functions];
        let (mut order, mut low, mut on_stack) = (vec![UNSEEN; count], vec![0; count], vec![false; count]);
        let (mut next, mut stack, mut path) = (0, Vec::new(), Vec::new());
        for root in 0..count {
            if order[root] != UNSEEN {
                continue;
            }
            path.push((root, 0));
            while let Some((node, nth)) = path.pop() {
                if nth == 0 {
                    (order[node], low[node], on_stack[node]) = (next, next, true);
                    next += 1;
                    stack.push(node);
                }
                if let Some(to) = self.edge(node, nth) {
                    path.push((node, nth + 1));
                    if order[to] == UNSEEN {
                        path.push((to, 0));
                    } else if on_stack[to] {
                        low[node] = low[node].min(order[to]);
                        if to == node && node < functions {
                            circular[node] = true;
                        }
                    }
                    continue;
                }
                if let Some((parent, _)) = path.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
                if low[node] == order[node] {
                    let start = stack.iter().rposition(|member| *member == node).expect("it was pushed");
                    let component = stack.split_off(start);
                    for member in &component {
                        on_stack[*member] = false;
                        if component.len() > 1 && *member < functions {
                            circular[*member] = true;
                        }
                    }
                }
            }
        }
        circular
    }

    /// Polls the entries of functions that, with all they call, may run longer than `stretch` without a poll. What is on a
    /// circle is polled already, so the rest has an order in which callees come before callers.
    fn accumulate(&mut self, polled: &mut [bool], stretch: u64) {
        let functions = self.nodes.len();
        // Of a function all that it runs; of a class the most that one of its functions does.
        let mut unpolled: Vec<Option<u64>> = vec![None; self.count()];
        for root in 0..functions {
            let mut path = vec![root];
            while let Some(&node) = path.last() {
                if unpolled[node].is_some() {
                    path.pop();
                    continue;
                }
                let is_polled = |node: usize| node < functions && polled[node];
                let before = path.len();
                if !is_polled(node) {
                    path.extend(self.edges(node).filter(|to| !is_polled(*to) && unpolled[*to].is_none() && *to != node));
                }
                if path.len() != before {
                    continue;
                }
                let costs = self.edges(node).map(|to| if is_polled(to) { 1 } else { unpolled[to].unwrap_or(1) });
                let total = if node < functions {
                    costs.fold(self.nodes[node].weight, u64::saturating_add)
                } else {
                    costs.max().unwrap_or(1)
                };
                if node < functions {
                    polled[node] |= total > stretch;
                }
                unpolled[node] = Some(total);
                path.pop();
            }
        }
    }
}

fn node(body: &FunctionBody<'_>, imported: u32, class_by_type: &[usize], taken: &mut Vec<u32>) -> Result<Node> {
    let mut node = Node::default();
    let mut last_constant = None;
    for operator in body.get_operators_reader().map_err(unreadable)? {
        let operator = operator.map_err(unreadable)?;
        match operator {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } if function_index >= imported => {
                node.calls.push(Call::Direct((function_index - imported) as usize));
            }
            Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                node.calls.push(Call::Indirect(class_by_type[type_index as usize]));
            }
            _ => taken.extend(referenced(&operator)),
        }
        node.weight = node.weight.saturating_add(weight(&operator, last_constant));
        last_constant = constant(&operator);
    }
    Ok(node)
}

/// The function whose address an instruction takes.
fn referenced(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::RefFunc { function_index } => Some(*function_index),
        _ => None,
    }
}

/// What an instruction pushes, where it is a constant that can be a length.
pub fn constant(operator: &Operator<'_>) -> Option<u64> {
    match operator {
        Operator::I32Const { value } => Some(u64::from(*value as u32)),
        Operator::I64Const { value } => Some(*value as u64),
        _ => None,
    }
}

/// About how many simple instructions one costs, callees not counted.
pub fn weight(operator: &Operator<'_>, last_constant: Option<u64>) -> u64 {
    const BYTES_PER_INSTRUCTION: u64 = 8;
    match operator {
        Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. } => {
            1 + last_constant.unwrap_or(bulk::CHUNK_BYTES).min(bulk::CHUNK_BYTES) / BYTES_PER_INSTRUCTION
        }
        _ => 1,
    }
}
