"""Forms that look like the rest of the page."""

from __future__ import annotations

from typing import Any

from django import forms

CLASSES: dict[type[forms.Widget], str] = {
    forms.CheckboxInput: "form-check-input",
    forms.CheckboxSelectMultiple: "form-check-input",
    forms.Select: "form-select",
    forms.HiddenInput: "",
}


class Form(forms.Form):
    """A form whose fields carry the stylesheet's classes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.dress()

    def dress(self) -> None:
        """Give every field its class; again after fields were added."""
        for field in self.fields.values():
            if name := CLASSES.get(type(field.widget), "form-control"):
                field.widget.attrs["class"] = name
