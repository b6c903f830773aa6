use super::*;

// Rules: G47, G48
#[test]
fn shared_reasons_are_those_of_3_0_and_the_others_as_they_were() {
    for (before, since) in [
        (65, 0xC0100),
        (66, 0xC0101),
        (67, 0xC0102),
        (68, 0xC0103),
        (15, 0x8000F),
        (100, 100),
        (103, 103),
    ] {
        assert_eq!(reason_since_3_0(before), since);
    }
}

// Rules: G2, G48
#[test]
fn each_version_has_its_own_entries_for_memory_that_is_not_there() {
    const V1_1_0: u64 = 0x1010_00cf;
    const V1_1_1W: u64 = 0x1010_117f;
    const V3_0: u64 = 0x3000_0160;
    const V3_5: u64 = 0x3050_0090;
    let of = |error, version: u64| {
        let found = entries(error, version < 0x3000_0000, version);
        found.into_iter().flatten().collect::<Vec<u32>>()
    };
    let allocator = 15 << 24 | 65;
    for error in [Error::Thread, Error::Pool, Error::Job, Error::Arguments] {
        for version in [V1_1_0, V1_1_1W, V3_0] {
            assert_eq!(of(error, version), [error.code()]);
        }
        assert_eq!(of(error, V3_5), [allocator]);
    }
    let list = Error::PoolList.code();
    assert_eq!(of(Error::PoolList, V1_1_0), [list]);
    assert_eq!(of(Error::PoolList, V1_1_1W), [allocator | 129 << 12, list]);
    assert_eq!(of(Error::PoolList, V3_0), [allocator | 129 << 12, list]);
    assert_eq!(of(Error::PoolList, V3_5), [allocator, list - 65 + 15]);
    assert_eq!(of(Error::WaitFd, V1_1_0), []);
    assert_eq!(of(Error::WaitFd, V1_1_1W), [0x3306_A041]);
    assert_eq!(of(Error::WaitFd, V3_5), [allocator]);
    for version in [V1_1_0, V1_1_1W, V3_0, V3_5] {
        assert_eq!(of(Error::CustomStack, version), []);
        assert_eq!(of(Error::Nested, version), [0x3306_9044]);
        assert_eq!(of(Error::WaitPipe, version), [0x3306_6064]);
    }
}
