"""Lines of a quote, as a request sends them. Plain Python, for whoever runs before Django is set up."""

from typing import Any


def a_line(**changes: Any) -> dict[str, Any]:
    """Return 5.6 m³ of strength 200, direct pour, with fibre: 6 m³ at 2,569.46 and 900.00 of fibre."""
    return {
        "product": "concrete",
        "options": {"strength": "200", "service": "direct"},
        "measure": {"kind": "volume", "m3": "5.6"},
        "extras": ["fiber"],
        **changes,
    }


def as_form(*lines: dict[str, Any]) -> dict[str, Any]:
    """Return lines as the page's form sends them."""
    fields: dict[str, Any] = {}
    for number, line in enumerate(lines):
        path, measure = f"lines.{number}", line["measure"]
        fields[f"{path}.product"] = line["product"]
        fields[f"{path}.measure.kind"] = measure["kind"]
        fields |= {f"{path}.options.{code}": choice for code, choice in line["options"].items()}
        fields |= {f"{path}.measure.{measure['kind']}.{name}": text for name, text in measure.items() if name != "kind"}
        fields[f"{path}.extras"] = line["extras"]
    return fields
