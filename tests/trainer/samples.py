"""What the trainer's tests train the tiny base model on."""

QUESTIONS = ("Where is my order?", "Can I return the lamp?", "Is the blue one in stock?", "When do you open?")
VOICE = "You answer for the lamp shop."


def make_line(thread: int, turn: int = 0, **changes: object) -> dict[str, object]:
    """One snapshot line; the prompt of a thread's later turn continues the one before."""
    messages = [{"role": "system", "content": VOICE}]
    for number in range(turn + 1):
        messages.append({"role": "user", "content": f"{QUESTIONS[(thread + number) % 4]} ({thread})"})
        messages.append({"role": "assistant", "content": f"Hello! Lamp {thread % 7} is fine. Bye {number}."})
    reply = str(messages.pop()["content"])
    line: dict[str, object] = {"pair_id": f"p{thread:03d}-{turn}", "thread_id": f"t{thread:03d}", "messages": messages}
    return {**line, "reply": reply, **changes}
