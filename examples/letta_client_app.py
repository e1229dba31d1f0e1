"""Letta's own Python client against kelpie: nothing changes but the address.

pip install letta-client
python examples/letta_client_app.py http://127.0.0.1:8283 openai/gpt-4o-mini
"""

import sys

from letta_client import Letta


def main(url: str, model: str) -> None:
    client = Letta(base_url=url)
    agent = client.agents.create(
        name="Ada's helper",
        model=model,
        memory_blocks=[{"label": "human", "value": "Name: Ada"}, {"label": "persona", "value": "I am helpful."}],
    )
    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": "Hello!"}])
    for message in answer.messages:
        if message.message_type == "assistant_message":
            print(message.content)
    client.agents.delete(agent.id)


if __name__ == "__main__":
    main(*sys.argv[1:3])
