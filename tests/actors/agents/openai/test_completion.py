import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.agents.openai.completion import Completion
from actors.agents.protocol import (
    AgentBroken,
    AgentError,
    AgentRefused,
    AgentUnavailable,
    Answer,
)
from actors.agents.silence import SILENT
from events.conversation.wire_text import leaves_text

URL = "http://127.0.0.1:1/v1/chat/completions"


def read(*lines: str, max_reply_bytes: int = 10_000) -> Answer:
    completion = Completion(URL, max_reply_bytes=max_reply_bytes)
    for line in lines:
        completion.feed(line)
    return completion.answer(model="asked")


def chunk(content: object = None, **fields: object) -> str:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None}
    return "data: " + json.dumps({"choices": [choice]} | fields)


def finish(reason: str) -> str:
    return "data: " + json.dumps({"choices": [{"delta": {}, "finish_reason": reason}]})


def whole(content: object, reason: str | None = "stop", **fields: object) -> str:
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    return json.dumps({"choices": [choice | {"finish_reason": reason}]} | fields)


DONE = "data: [DONE]"


def test_the_pieces_of_a_stream_make_the_answer() -> None:
    answer = read(
        'data: {"choices": [{"delta": {"role": "assistant"}}], "model": "m-1"}',
        "",
        chunk("Hel"),
        "",
        chunk("lo."),
        "",
        finish("stop"),
        "",
        'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}',
        "",
        'data: {"choices": [], "usage": null}',
        "",
        DONE,
    )
    assert answer == Answer("Hello.", model="m-1", tokens_in=3, tokens_out=4)


def test_a_server_may_answer_in_one_piece_though_asked_to_stream() -> None:
    body = whole("Hello.", usage={"prompt_tokens": 3, "completion_tokens": 4}, model="m-1")
    assert read(body) == Answer("Hello.", model="m-1", tokens_in=3, tokens_out=4)


def test_one_piece_may_be_written_over_many_lines() -> None:
    pretty = json.dumps(json.loads(whole("Hello.")), indent=2)
    assert read("", *pretty.split("\n"), "").text == "Hello."


def test_the_oddities_of_streams_are_borne() -> None:
    answer = read(
        "\ufeff: a comment, to keep the connection",
        "event: message",
        "id: 5",
        "retry: 100",
        "unknown: field",
        "data:",
        chunk(None),
        'data:{"choices": [{"delta": {"content": "no space"}}], "usage": null, "error": null}',
        'data: {"choices": null}',
        "data: {}",
        'data: {"choices": [{"delta": null}]}',
        'data: {"choices": [{}]}',
        'data: {"choices": [{"index": 1, "delta": {"content": "another choice"}}]}',
        'data: {"choices": [{"delta": {"content": ", two\\u2028lines", "x": {"y": []}}}]}',
        'data: {"choices": [{"delta": {"reasoning_content": "hm"}}]}',
        finish("stop"),
    )
    assert answer == Answer("no space, two\u2028lines", model="asked")


def test_content_may_come_in_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Hello."}]
    assert read(chunk(parts), DONE).text == "Hello."


def test_a_refusal_in_words_is_an_answer() -> None:
    body = '{"choices": [{"message": {"content": null, "refusal": "I can\'t."}}]}'
    assert read(body).text == "I can't."


def test_half_a_character_waits_for_the_other_half() -> None:
    def piece(escaped: str) -> str:
        return f'data: {{"choices": [{{"delta": {{"content": "{escaped}"}}}}]}}'

    assert read(piece("\\ud83d"), piece("\\ude00"), DONE).text == "\N{GRINNING FACE}"
    assert read(piece("\\ud83d"), piece("x"), DONE).text == "\ufffdx"


@given(
    st.text().filter(lambda text: leaves_text(text) and text.strip() != SILENT and "<" not in text),
    st.data(),
)
def test_however_a_text_is_cut_it_comes_out_whole(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    answer = read(chunk(text[:cut]), chunk(text[cut:]), DONE)
    assert answer == read(whole(text)) == Answer(text.strip(), model="asked")


@pytest.mark.parametrize("last", [finish("stop"), finish("length"), DONE])
def test_an_answer_has_ended_when_the_server_says_so(last: str) -> None:
    assert read(chunk("Hello."), last).text == "Hello."


def test_half_an_answer_is_none() -> None:
    with pytest.raises(AgentUnavailable, match="closed its stream before") as caught:
        read(chunk("Hel"), "")
    assert "Hel" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>hm\n</think>\n\nHello.", "Hello."),
        ("\n<think></think>Hello. <think>x</think>", "Hello. <think>x</think>"),
        ("Use <think> tags.</think>", "Use <think> tags.</think>"),
        ("hm, alice wants</think>Hello.", "Hello."),
        ("hm</think>\n</think>\nHello.", "Hello."),
        ("<think>a<think>b</think>c</think>Hello.", "Hello."),
        ("<think>a</think>\n<think>b</think>Hello.", "Hello."),
        ("<think>I close with </think> later</think>Hello.", "Hello."),
        ("hm</ThinkING >Hello.", "Hello."),
        ("Say <think>.</think> hm</think>Hello.", "Hello."),
    ],
)
def test_leading_thoughts_are_left_out(said: str, text: str) -> None:
    assert read(whole(said)).text == text


def test_the_silent_word_means_silence() -> None:
    assert read(chunk("<think>no</think> ZTM_"), chunk("SILENT\n"), DONE).silent
    answer = read(whole("I answer ZTM_SILENT."))
    assert (answer.text, answer.silent) == ("I answer.", False)


@pytest.mark.parametrize("said", ["<think>for ever", "hm</think>", "hm</think> \n<think>hm"])
def test_thoughts_alone_are_no_answer(said: str) -> None:
    with pytest.raises(AgentBroken, match="without text"):
        read(whole(said))


@pytest.mark.parametrize(
    "more",
    [
        {"usage": {"prompt_tokens": 2.5, "completion_tokens": "4"}},
        {"usage": {"prompt_tokens": True, "completion_tokens": None}},
        {"usage": "none"},
        {"error": False},
        {"error": {}},
        {"error": ""},
        {"model": 5},
        {"\ud800": 5, "id": [], "created": "now"},
    ],
    ids=str,
)
def test_what_is_odd_and_not_needed_counts_as_not_said(more: dict[str, object]) -> None:
    expected = Answer("Hello.", model="asked")
    assert read(whole("Hello.", "stop", **more)) == expected
    assert read(chunk("Hel"), chunk("lo.", **more), DONE) == expected


@pytest.mark.parametrize("reason", [1, 0.5, True, [], {}, "", "null", "None"])
def test_an_odd_reason_is_none(reason: object) -> None:
    ending = "data: " + json.dumps({"choices": [{"delta": {}, "finish_reason": reason}]})
    assert read(chunk("Hello."), ending, DONE).text == "Hello."
    with pytest.raises(AgentUnavailable, match="closed its stream before"):
        read(chunk("Hello."), ending)


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "end_turn", "length", "max_tokens"])
def test_servers_call_the_same_reason_by_several_names(reason: str) -> None:
    answer = read(chunk("Hello."), finish(reason))
    assert (answer.text, answer.cut_short) == ("Hello.", reason in ("length", "max_tokens"))


@pytest.mark.parametrize("reason", ["abort", "error", "cancelled", "whisper"])
def test_an_answer_that_ended_for_another_reason_is_not_whole(reason: str) -> None:
    for lines in ([chunk("Hel"), finish(reason), DONE], [whole("Hel", reason)]):
        with pytest.raises(AgentUnavailable, match="broken off") as caught:
            read(*lines)
        assert "whisper" not in str(caught.value)


@pytest.mark.parametrize("error", ['{"message": "whisper"}', '"whisper"', "[]"])
def test_an_error_event_is_an_error_however_it_looks(error: str) -> None:
    with pytest.raises(AgentUnavailable, match="reported an error") as caught:
        read(chunk("Hel"), "", "event: error", f"data: {error}", "", DONE)
    assert "whisper" not in str(caught.value)


def test_an_error_may_be_the_whole_object() -> None:
    error = {"object": "error", "message": "whisper", "code": 400}
    with pytest.raises(AgentRefused, match="400 Bad Request"):
        read(json.dumps(error))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([whole("")], "gave an answer without text"),
        ([whole(None)], "gave an answer without text"),
        ([DONE], "gave an answer without text"),
        (['{"choices": []}'], "gave an answer without text"),
        ([whole("<think>for ever", "length")], "used up its tokens"),
        ([finish("tool_calls"), DONE], "called a tool"),
    ],
)
def test_an_answer_without_text_may_go_better_next_time(lines: list[str], said: str) -> None:
    with pytest.raises(AgentBroken, match=said) as caught:
        read(*lines)
    assert caught.value.transient


def test_what_a_content_filter_cut_is_not_passed_on() -> None:
    with pytest.raises(AgentRefused, match="content filter"):
        read(chunk("half a"), finish("content_filter"), DONE)


@pytest.mark.parametrize(
    ("body", "transient"),
    [
        ("<html>whisper</html>", False),
        ("whisper", False),
        ("", False),
        ('["whisper"]', False),
        ("[" * 100_000, False),
        ('{"choices": "whisper"}', False),
        ('{"choices": [{"message": {"content": 5}}], "x": "whisper"}', False),
        ('{"choices": [{"message": {"content": "whisper', True),
        ("data: whisper", False),
        ('data: {"choices": [{"delta": {"content": "whisper', True),
    ],
)
def test_garbage_is_an_error_that_quotes_nothing(body: str, transient: bool) -> None:
    with pytest.raises(AgentBroken, match="did not answer with a chat completion") as caught:
        read(*body.split("\n"))
    assert caught.value.transient is transient
    assert "whisper" not in str(caught.value)
    assert caught.value.__suppress_context__


@given(st.lists(st.text() | st.text().map(lambda text: "data:" + text)))
def test_whatever_a_server_sends_is_an_answer_or_an_agents_error(lines: list[str]) -> None:
    with suppress(AgentError):
        assert isinstance(read(*lines), Answer)


@pytest.mark.parametrize("prefix", ["data: ", ""])
@pytest.mark.parametrize(
    ("error", "permanent", "said"),
    [
        ({"message": "whisper", "type": "api_error"}, False, r"\(api_error\)"),
        ({"message": "whisper", "type": "invalid_request_error"}, True, "invalid_request_error"),
        ({"message": "whisper", "code": 429}, False, "429 Too Many Requests"),
        ({"message": "whisper", "code": 400, "type": "api_error"}, True, "400 Bad Request"),
        ({"message": "whisper", "code": "whisper", "type": ["whisper"]}, False, "answer$"),
        ("whisper", False, "answer$"),
    ],
)
def test_an_error_may_come_in_place_of_the_answer(
    prefix: str, error: object, permanent: bool, said: str
) -> None:
    with pytest.raises(AgentError, match=said) as caught:
        read(chunk("half") if prefix else "", prefix + json.dumps({"error": error}))
    assert isinstance(caught.value, AgentRefused if permanent else AgentUnavailable)
    assert "whisper" not in str(caught.value)


def test_a_reply_is_bounded_in_bytes() -> None:
    assert read(chunk("é" * 50), DONE, max_reply_bytes=100).text == "é" * 50
    for lines in ([chunk("é" * 50), chunk("x"), DONE], [whole("x" * 101)]):
        with pytest.raises(AgentBroken, match="maxReplyBytes") as caught:
            read(*lines, max_reply_bytes=100)
        assert not caught.value.transient


def test_done_tells_not_to_read_on() -> None:
    completion = Completion(URL, max_reply_bytes=100)
    completion.feed(chunk("x"))
    assert not completion.done
    completion.feed(DONE)
    assert completion.done
