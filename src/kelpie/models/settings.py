"""Which providers are configured. kelpie.config fills this from the environment."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """ "" means not set. A dataclass, because keys must not show up in a repr."""

    openai_api_key: str = field(default="", repr=False)  # OPENAI_API_KEY
    openai_base_url: str = ""  # OPENAI_BASE_URL: any server of the chat completions kind; needs no key
    anthropic_api_key: str = field(default="", repr=False)  # ANTHROPIC_API_KEY
    anthropic_base_url: str = ""  # ANTHROPIC_BASE_URL
    ollama_base_url: str = ""  # OLLAMA_BASE_URL, http://127.0.0.1:11434
    vllm_base_url: str = ""  # VLLM_API_BASE, http://127.0.0.1:8000
    vllm_handle_base: str = ""  # VLLM_HANDLE_BASE: what its handles begin with instead of "vllm"
