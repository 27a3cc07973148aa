"""Claims about what is taken out of records, and what is found in texts."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microbench_tasks.util import privacy

FOLDERS = {
    "the home folder": Path("/nas/people/ann"),
    "the current folder": Path("/nas/people/ann/work"),
    "the root": Path("/"),
}
WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/home/me/plip.pt", "plip.pt"),
        ("/home/me/My Models/plip.pt", "plip.pt"),
        ("local-dir:/data/models/plip", "local-dir:plip"),
        ("model=ViT-B-32,pretrained=/ckpt/epochs/epoch_10.pt", "model=ViT-B-32,pretrained=epoch_10.pt"),
        ("merge_with=[/a/base,../other/b],alpha=0.5", "merge_with=[base,b],alpha=0.5"),
        ("model=~/plip,revision=main", "model=plip,revision=main"),
        ("file:///home/me/plip", "plip"),
        (r"model=C:\Users\me\plip.pt,x=1", "model=plip.pt,x=1"),
        (r"\\server\share\plip.pt", "plip.pt"),
        ("model=org/name,base_url=http://localhost:8000/v1", "model=org/name,base_url=http://localhost:8000/v1"),
        ("hf-hub:org/name", "hf-hub:org/name"),
        ("https://huggingface.co/org/name/blob/main/a.pt", "https://huggingface.co/org/name/blob/main/a.pt"),
        ("model=x,pretrained=/srv/My Models/ann/x.pt,y=1", "model=x,pretrained=x.pt,y=1"),
        ("pretrained=/srv/models (of ann)/O'Brien/x.pt", "pretrained=x.pt"),
        ("{'pretrained': '/srv/My Models/x.pt', 'y': '/a b/c'}", "{'pretrained': 'x.pt', 'y': 'c'}"),
        ("pretrained=./a/b c/d.pt,y=1", "pretrained=d.pt,y=1"),
        ("pretrained=~ann/b c/d.pt", "pretrained=d.pt"),
        ("pretrained=file:///home/a b/c.pt", "pretrained=c.pt"),
        ({"pretrained": "file:///home/a, b/c.pt"}, {"pretrained": "c.pt"}),
        (r"pretrained=C:\Users\Ann Smith\x.pt,y=1", "pretrained=x.pt,y=1"),
        ("pretrained=checkpoints/ann.smith/secret/epoch.pt", "pretrained=epoch.pt"),
        ("pretrained=checkpoints/ann smith/secret/epoch,y=[org/name]", "pretrained=epoch,y=[org/name]"),
        ("local-dir:private/epoch.pt", "local-dir:epoch.pt"),
        ("timm/vit_large_patch14_clip_224.openai", "timm/vit_large_patch14_clip_224.openai"),
        ("until=</s>,x=a/b", "until=</s>,x=a/b"),
        ({"/home/me/a.pt": ["/home/me/b.pt", 3, None]}, {"a.pt": ["b.pt", 3, None]}),
    ],
)
def test_folders_are_taken_off_and_names_and_urls_stay(before, after):
    assert privacy.redact_paths(before) == after


@given(st.lists(WORDS, min_size=2, max_size=5), st.sampled_from(["", "model=", "local-dir:", "x=1,model=", "["]))
def test_no_path_is_left_once_they_are_taken_off(parts, before):
    cleaned = privacy.redact_paths(before + "/" + "/".join(parts))
    assert list(privacy.find_local_paths(cleaned)) == []
    assert parts[0] + "/" not in cleaned


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model=gpt-4o,api_key=abc,timeout=3", "model=gpt-4o,api_key=(removed),timeout=3"),
        ("token = abc", "token = (removed)"),
        ("tokenizer=abc,max_tokens=3,keyboard=1", "tokenizer=abc,max_tokens=3,keyboard=1"),
        ({"api_key": "abc", "model": "x"}, {"api_key": "(removed)", "model": "x"}),
        (
            {"headers": {"X-Api-Key": "abc", "n": 1}, "parts": [{"hfToken": "abc"}, "pwd=abc", None]},
            {"headers": {"X-Api-Key": "(removed)", "n": 1}, "parts": [{"hfToken": "(removed)"}, "pwd=(removed)", None]},
        ),
        ("api_keys=[abc,def],auth=('ann', 'abc'),size=[3,4]", "api_keys=(removed),auth=(removed),size=[3,4]"),
        ('headers={"X-Api-Key":"a,b", "n": 1},x=1', 'headers={"X-Api-Key":(removed), "n": 1},x=1'),
        ("Authorization=Token abc def,x=1", "Authorization=(removed),x=1"),
        ("key: abc,x=1", "key: (removed),x=1"),
        ("password=a)b&c=d,x=1", "password=(removed),x=1"),
        ("base_url=https://example.org/v1?api_key=abc&token=def,x=1", "base_url=https://example.org/v1?(removed),x=1"),
        (
            "base_url=https://example.org/v1?a=1,2&token=def",
            "base_url=https://example.org/v1?(removed),2&token=(removed)",
        ),
        ("base_url=http://ann@gpu.example.org:80/v1,x=1", "base_url=http://gpu.example.org:80/v1,x=1"),
        ("base_url=http://ann:abc@gpu.example.org/v1", "base_url=http://gpu.example.org/v1"),
        ("base_url=https://example.org/v1,device=cuda:0", "base_url=https://example.org/v1,device=cuda:0"),
    ],
)
def test_values_named_as_secrets_are_removed(before, after):
    assert privacy.redact_secrets(before) == after


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("https://example.org/a?apiKey=abc", ["a secret in a URL"]),
        ("https://ann@example.org/a", ["a user name in a URL"]),
        ("https://example.org/@ann/a?page=3", []),
        ("https://example.org/a?(removed)", []),
        ("write to ann@example.org", []),
    ],
)
def test_users_and_secrets_in_urls_are_found(text, kinds):
    assert list(privacy.find_url_secrets(text)) == kinds


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        ("hf_" + "aB3" * 11, "a Hugging Face token"),
        ("sk-proj-" + "aB3_" * 8, "an OpenAI or similar key"),
        ("AKIA" + "A1B2C3D4E5F6G7H8", "an AWS access key"),
        ("ghp_" + "aB3" * 12, "a GitHub token"),
        ("xoxb-" + "123456789012-" * 2 + "aB3d" * 6, "a Slack token"),
        ("glpat-" + "aB3d" * 5, "a GitLab token"),
        ("pypi-AgEIcHlwaS5vcmc" + "aB3d" * 10, "a PyPI token"),
        ("gsk_" + "aB3d" * 13, "a Groq key"),
        ("nvapi-" + "aB3_" * 16, "an NVIDIA key"),
        ("r8_" + "aB3d" * 9 + "a", "a Replicate token"),
        ("xai-" + "aB3d" * 20, "an xAI key"),
        ("WANDB_API_KEY=" + "0123456789" * 4, "an older W&B key"),
        ("wandb_v1_" + "aB3d" * 15, "a W&B key"),
        ("AccountKey=" + "aB3/" * 21 + "ab==", "an Azure storage key"),
        ("Authorization: Bearer " + "aB3" * 9, "a bearer token"),
        ("https://ann:s3cret@example.org/x", "a user name and password in a URL"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("eyJhbGciOiJIUzI1NiJ9." + "aB3" * 5 + "." + "aB3" * 5, "a JSON web token"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "B) {}", '{{"key": "{}"}}', "said\n{}\nand more", "x={},y"])
def test_a_secret_is_found_by_its_form(secret, kind, around):
    assert kind in privacy.find_secrets(around.format(secret), {})


@pytest.mark.parametrize(
    "text",
    [
        "hf_hub",
        "glpat",
        "xai-grok-4-fast",
        "nvapi-v1",
        "3d346134e6dffed41f74da64c1c173f5efd3a102",
        "gsk_kernel",
        "task-specific-and-so-on-and-on",
        "sk-learn",
        "bearer of bad news",
        "AKIA",
        "B) H&E",
        "https://example.org/a:b",
    ],
)
def test_words_that_resemble_secrets_are_none(text):
    assert list(privacy.find_secrets(text, {})) == []


def test_the_value_of_a_variable_that_is_named_as_a_secret_is_found_by_its_name():
    environment = {
        "MY_API_KEY": "correct horse",
        "OPENAI_API_KEY": "none",
        "KEYBOARD": "microscope",
        "DB_PASSWORD": "12345678",
    }
    assert list(privacy.find_secrets("the correct horse", environment)) == [
        "the value of the environment variable MY_API_KEY"
    ]
    assert list(privacy.find_secrets("none of the above, by microscope", environment)) == []
    assert list(privacy.find_secrets("12345678", environment)) == ["the value of the environment variable DB_PASSWORD"]


@given(
    st.lists(WORDS, min_size=1, max_size=4),
    st.sampled_from(["", " ", "saved to ", '"', "(", "x=", "\n", "file://"]),
    st.sampled_from(["/home", "/Users", "/tmp", "/mnt", "/nas/people/ann", "/nas/people/ann/work"]),
)
def test_a_personal_path_is_found_wherever_it_stands(parts, before, root):
    assert list(privacy.find_personal_paths(before + "/".join([root, *parts]), FOLDERS)) != []


@pytest.mark.parametrize("text", [r"C:\Users\ann\a.pt", "~/models/a.pt", "/root/models", "in /root."])
def test_homes_of_other_systems_are_found(text):
    assert list(privacy.find_personal_paths(text, {})) != []


@settings(max_examples=300)
@given(
    st.lists(WORDS, min_size=2, max_size=5),
    st.sampled_from(["", "A) ", "The answer is ", "H&E, "]),
    st.sampled_from(["/", " / ", "/ ", " /"]),
)
def test_slashes_between_words_are_no_path(parts, before, slash):
    assert list(privacy.find_personal_paths(before + slash.join(parts), FOLDERS)) == []


@pytest.mark.parametrize(
    "text",
    [
        "and/or",
        "10 um/s",
        "+/- 3",
        "</think>",
        "<ref>nucleus</ref>",
        "H&E/PAS",
        "N/A",
        "1/2",
        r"\boxed{B}",
        r"A:\textbf{x}",
        "https://example.org/home/ann/x",
        "roots/home/ann",
        "/nas/people/annabel/x",
        "home/root",
        "a/root cell",
        "at home / tmp",
        "x~/y",
        "../~/y",
    ],
)
def test_what_a_model_may_write_is_no_path(text):
    assert list(privacy.find_personal_paths(text, FOLDERS)) == []


@pytest.mark.parametrize(
    "text", ["/opt/models/a", "model=/ckpt/a.pt", r"D:\models\a.pt", "file:///ckpt/a.pt", r"\\server\share"]
)
def test_in_metadata_every_absolute_path_is_found(text):
    assert list(privacy.find_local_paths(text)) == ["a local path"]


@pytest.mark.parametrize(
    "text",
    [
        "org/name",
        "https://huggingface.co/org/name",
        "hf-hub:org/name",
        "image/png",
        "GitHub QwenLM/Qwen3-VL, evaluation/ODinW-13: code",
        "<ref>{class}</ref>",
        "2026-01-02T03:04:05Z",
    ],
)
def test_in_metadata_names_and_urls_are_no_paths(text):
    assert list(privacy.find_local_paths(text)) == []
