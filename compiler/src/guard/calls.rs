//! The module's call graph, and the places of polls, so that a bounded number of instructions runs between two of them,
//! whatever calls what.
//!
//! Functions on a cycle of calls have a poll at their entry. The others are processed callees first: what a function runs
//! before its first poll and after its last one counts as part of its callers. A call through a table may reach every function
//! of the right type whose address is taken anywhere in the module.

use std::collections::HashMap;

use rtwasm::status::*;
use wasmparser::types::TypesRef;
use wasmparser::{CompositeInnerType, ConstExpr, ElementItems, FuncType, FunctionBody, Operator, Parser, Payload};

use super::bulk::{self, Segments};
use super::loops::Code;
use super::stretch::{self, Called, Callees, Plan};
use super::unreadable;

/// The changes to a module's functions.
pub struct Plans {
    /// The number of imported functions, which come before the defined ones.
    pub imported: u32,
    /// The plans of the defined functions.
    pub plans: Vec<Plan>,
    pub segments: Segments,
}

/// The target of a call.
enum Callee {
    /// To the host.
    Host,
    /// To a defined function.
    Defined(usize),
    /// Any function of the given type whose address is taken; the number is that of the class of equal types.
    Class(usize),
}

enum Call {
    Direct(usize),
    Indirect(usize),
}

pub fn plans(module: &[u8], types: &TypesRef<'_>) -> Result<Plans> {
    let graph = Graph::read(module, types)?;
    let segments = Segments::read(module)?;
    let plans = graph.plans(types, &segments)?;
    Ok(Plans { imported: graph.imported, plans, segments })
}

struct Graph<'a> {
    imported: u32,
    bodies: Vec<FunctionBody<'a>>,
    /// The calls of each defined function, in their order.
    calls: Vec<Vec<Call>>,
    class_by_type: Vec<usize>,
    /// For each class of type, the defined functions that a table may hold.
    targets: Vec<Vec<usize>>,
    /// For each class, true if a table may hold a host function.
    reaches_host: Vec<bool>,
}

/// The nodes of a graph in groups, callees before callers: the nodes of a cycle together, others alone.
struct Components {
    in_order: Vec<Vec<usize>>,
    /// The group of each node.
    of: Vec<usize>,
    /// For each function, true if it lies on a cycle.
    circular: Vec<bool>,
}

/// The types of a module in classes. Types that are equal are interchangeable in a call, whatever their indices.
struct Classes {
    of: HashMap<FuncType, usize>,
    /// The class of each type, by its index.
    by_type: Vec<usize>,
}

impl Classes {
    fn new(types: &TypesRef<'_>) -> Classes {
        let mut of = HashMap::new();
        let mut class_of = |ty: &FuncType| {
            let next = of.len();
            *of.entry(ty.clone()).or_insert(next)
        };
        let by_type = (0..types.core_type_count_in_module())
            .map(|index| match &types[types.core_type_at_in_module(index)].composite_type.inner {
                CompositeInnerType::Func(ty) => class_of(ty),
                _ => usize::MAX,
            })
            .collect();
        Classes { of, by_type }
    }
}

impl<'a> Graph<'a> {
    fn read(module: &'a [u8], types: &TypesRef<'_>) -> Result<Graph<'a>> {
        let classes = Classes::new(types);
        // The functions whose address is taken.
        let mut taken = Vec::new();
        let (mut bodies, mut calls) = (Vec::new(), Vec::new());
        let mut imported = 0;
        for payload in Parser::new(0).parse_all(module) {
            match payload.map_err(unreadable)? {
                Payload::FunctionSection(section) => imported = types.function_count() - section.count(),
                Payload::ElementSection(section) => {
                    for element in section {
                        take_items(element.map_err(unreadable)?.items, &mut taken)?;
                    }
                }
                Payload::GlobalSection(section) => {
                    for global in section {
                        take_operands(&global.map_err(unreadable)?.init_expr, &mut taken)?;
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    calls.push(read_calls(&body, imported, &classes.by_type, &mut taken)?);
                    bodies.push(body);
                }
                _ => {}
            }
        }
        taken.sort_unstable();
        taken.dedup();
        let mut targets = vec![Vec::new(); classes.of.len()];
        let mut reaches_host = vec![false; classes.of.len()];
        for function in taken {
            let class = classes.of[types[types.core_function_at(function)].unwrap_func()];
            match function.checked_sub(imported) {
                Some(defined) => targets[class].push(defined as usize),
                None => reaches_host[class] = true,
            }
        }
        Ok(Graph { imported, bodies, calls, class_by_type: classes.by_type, targets, reaches_host })
    }

    /// The number of nodes: the functions, and after them one for each class of types, through which calls by a table go. So
    /// many calls to many functions need few edges.
    fn count(&self) -> usize {
        self.calls.len() + self.targets.len()
    }

    /// The target of a node's edge: for a function the target of its `nth` call, for a class its `nth` function.
    fn edge(&self, from: usize, nth: usize) -> Option<usize> {
        let functions = self.calls.len();
        if from >= functions {
            return self.targets[from - functions].get(nth).copied();
        }
        self.calls[from].get(nth).map(|call| match call {
            Call::Direct(function) => *function,
            Call::Indirect(class) => functions + class,
        })
    }

    /// Tarjan's algorithm for strongly connected components, without recursion.
    fn components(&self) -> Components {
        const UNSEEN: usize = usize::MAX;
        let (functions, count) = (self.calls.len(), self.count());
        let (mut in_order, mut of) = (Vec::new(), vec![0; count]);
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
                        of[*member] = in_order.len();
                        if component.len() > 1 && *member < functions {
                            circular[*member] = true;
                        }
                    }
                    in_order.push(component);
                }
            }
        }
        Components { in_order, of, circular }
    }

    /// Plans the changes to each function. Linear: every call is visited a few times.
    fn plans(&self, types: &TypesRef<'_>, segments: &Segments) -> Result<Vec<Plan>> {
        let components = self.components();
        let functions = self.bodies.len();
        let mut plans: Vec<Option<Plan>> = (0..functions).map(|_| None).collect();
        // For each node, what a call of it runs. For a class, the most that one of its functions runs, without those of the
        // caller's own cycle.
        let mut called = vec![Called::default(); self.count()];
        for component in &components.in_order {
            for &class in component.iter().filter(|node| **node >= functions) {
                let mut most = if self.reaches_host[class - functions] { Called::HOST } else { Called::default() };
                for &target in self.targets[class - functions].iter() {
                    if components.of[target] != components.of[class] {
                        most = most.or(called[target]);
                    }
                }
                called[class] = most;
            }
            for &function in component.iter().filter(|node| **node < functions) {
                let code = Code::read(&self.bodies[function], types)?;
                let mut resolve = |operator: &Operator<'_>| {
                    let node = match callee(operator, self.imported, &self.class_by_type)? {
                        Callee::Host => return Some((Called::HOST, false)),
                        Callee::Defined(function) => function,
                        Callee::Class(class) => functions + class,
                    };
                    let comes_back = components.of[node] == components.of[function] && components.circular[function];
                    let is_class = node >= functions;
                    Some((if comes_back && !is_class { Called::default() } else { called[node] }, comes_back))
                };
                let callees: Callees<'_> = &mut resolve;
                let weigh = |operator: &Operator<'_>, length| bulk::weigh(operator, length, types, segments);
                let (plan, runs) = stretch::plan(&code, components.circular[function], callees, &weigh);
                called[function] = runs;
                plans[function] = Some(plan);
            }
        }
        Ok(plans.into_iter().map(|plan| plan.expect("every function is in a component")).collect())
    }
}

/// Adds the functions of an element segment.
fn take_items(items: ElementItems<'_>, taken: &mut Vec<u32>) -> Result<()> {
    match items {
        ElementItems::Functions(functions) => {
            for function in functions {
                taken.push(function.map_err(unreadable)?);
            }
        }
        ElementItems::Expressions(_, expressions) => {
            for expression in expressions {
                take_operands(&expression.map_err(unreadable)?, taken)?;
            }
        }
    }
    Ok(())
}

/// Adds the functions that a constant expression names.
fn take_operands(expression: &ConstExpr<'_>, taken: &mut Vec<u32>) -> Result<()> {
    for operator in expression.get_operators_reader() {
        taken.extend(referenced(&operator.map_err(unreadable)?));
    }
    Ok(())
}

/// Reads the calls of a function, and adds the functions whose address it takes.
fn read_calls(body: &FunctionBody<'_>, imported: u32, class_by_type: &[usize], taken: &mut Vec<u32>) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    for operator in body.get_operators_reader().map_err(unreadable)? {
        let operator = operator.map_err(unreadable)?;
        match callee(&operator, imported, class_by_type) {
            Some(Callee::Host) | None => taken.extend(referenced(&operator)),
            Some(Callee::Defined(function)) => calls.push(Call::Direct(function)),
            Some(Callee::Class(class)) => calls.push(Call::Indirect(class)),
        }
    }
    Ok(calls)
}

fn callee(operator: &Operator<'_>, imported: u32, class_by_type: &[usize]) -> Option<Callee> {
    match *operator {
        Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
            Some(function_index.checked_sub(imported).map_or(Callee::Host, |defined| Callee::Defined(defined as usize)))
        }
        Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
            Some(Callee::Class(class_by_type[type_index as usize]))
        }
        _ => None,
    }
}

/// The function whose address an instruction takes.
fn referenced(operator: &Operator<'_>) -> Option<u32> {
    match operator {
        Operator::RefFunc { function_index } => Some(*function_index),
        _ => None,
    }
}
