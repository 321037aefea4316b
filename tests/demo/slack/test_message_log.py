"""The message index gives what a plain scan over all messages would give, after any history."""

from hypothesis import given, settings
from hypothesis import strategies as st

from thumbtune.demo.slack.message_log import MessageLog
from thumbtune.demo.slack.wire import Json

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("root"), st.just(0), st.sampled_from("ab")),
        st.tuples(st.just("reply"), st.integers(0, 5), st.sampled_from("ab")),
        st.tuples(st.just("remove"), st.integers(0, 20), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.integers(1, 4), st.booleans())
def test_pages_and_counters_equal_a_plain_scan(steps: list[tuple[str, int, str]], limit: int, inclusive: bool) -> None:
    log, plain = MessageLog(), dict[str, Json]()
    for number, (kind, place, author) in enumerate(steps):
        ts = f"1700000000.{number:06d}"
        roots = [key for key, message in plain.items() if "root" not in message]
        if kind == "root":
            plain[ts] = {"author": author}
            log.add({"ts": ts, "user": author})
        elif kind == "reply" and roots:
            root = roots[place % len(roots)]
            plain[ts] = {"author": author, "root": root}
            log.add({"ts": ts, "user": author, "thread_ts": root})
        elif kind == "remove" and plain:
            gone = list(plain)[place % len(plain)]
            if plain[gone].get("dead"):
                continue
            log.remove(gone)
            replies = [key for key, message in plain.items() if message.get("root") == gone]
            if replies:
                plain[gone]["dead"] = True
            else:
                root = plain.pop(gone).get("root")
                if root and plain[root].get("dead") and not any(m.get("root") == root for m in plain.values()):
                    del plain[root]
    timeline = sorted(key for key, message in plain.items() if "root" not in message)
    seen, latest = list[str](), ""
    while True:
        page, has_more = log.page_timeline(limit, oldest="", latest=latest, inclusive=False)
        seen += [message["ts"] for message in page]
        if not has_more:
            break
        latest = seen[-1]
    assert seen == timeline[::-1]
    for root in timeline:
        replies = sorted(key for key, message in plain.items() if message.get("root") == root)
        authors = dict.fromkeys(plain[key]["author"] for key in replies)
        assert log.by_ts[root].get("reply_count", 0) == len(replies)
        assert set(log.by_ts[root].get("reply_users", ())) == set(authors)
        thread, has_more = log.page_thread(root, limit=limit, oldest="", latest="", inclusive=inclusive)
        assert [message["ts"] for message in thread] == [root, *replies[:limit]]
        assert has_more == (len(replies) > limit)
        if replies:
            first = replies[0]
            span, _ = log.page_thread(root, limit=99, oldest=first, latest=replies[-1], inclusive=inclusive)
            assert [message["ts"] for message in span[1:]] == (replies if inclusive else replies[1:-1])
