//! One sort for everything that is ordered by a number. A sort of the standard library takes 6 KB of code for each type.

/// Sorts by `key`, smallest first; items of the same key keep their order. Allocates.
pub fn sort_by_number<T>(items: &mut Vec<T>, key: impl Fn(&T) -> u64) {
    let mut order: Vec<(u64, usize)> = items.iter().enumerate().map(|(index, item)| (key(item), index)).collect();
    sort(&mut order);
    let mut unsorted: Vec<Option<T>> = items.drain(..).map(Some).collect();
    items.extend(order.iter().filter_map(|&(_, index)| unsorted[index].take()));
}

/// The pairs differ by their index, so a sort that is not stable keeps the order of equal keys.
#[inline(never)]
fn sort(order: &mut [(u64, usize)]) {
    order.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::sort_by_number;

    #[test]
    fn items_are_sorted_and_equal_ones_keep_their_order() {
        let mut items: Vec<(u64, u64)> = (0..1000).map(|index| (index * 7919 % 101, index)).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|(key, _)| *key);
        sort_by_number(&mut items, |(key, _)| *key);
        assert_eq!(items, expected);
        expected.sort_by_key(|(key, _)| std::cmp::Reverse(*key));
        let mut last_first: Vec<(u64, u64)> = (0..1000).map(|index| (index * 7919 % 101, index)).collect();
        sort_by_number(&mut last_first, |(key, _)| !key);
        assert_eq!(last_first, expected);
        sort_by_number(&mut Vec::<u64>::new(), |key| *key);
    }
}
