"""A price book of forty products below five headings, as a builders' merchant has them."""

SHELVES = {
    ("Arena y grava", "Sand and gravel"): "Arena, Grava, Gravilla, Tezontle, Piedra bola, Base, Sello, Cal",
    ("Cemento", "Cement"): "Cemento gris, Cemento blanco, Mortero, Yeso, Pegazulejo, Boquilla, Estuco, Pasta",
    ("Acero", "Steel"): "Varilla 3/8, Varilla 1/2, Alambrón, Alambre, Malla 6-6, Armex, Clavo, Ángulo",
    ("Block y tabique", "Blocks"): "Block 10, Block 12, Block 15, Block 20, Tabique, Celosía, Teja, Adoquín",
    ("Tubería", "Pipes"): "PVC 2, PVC 4, CPVC 1/2, Cobre 1/2, Manguera, Codo, Tinaco, Bomba",
}
ICONS = ["box", "bucket", "tools", "wall", "drop"]


def catalogue() -> str:
    """Return the book as TOML."""
    parts = [
        'name = "merchant"\nversion = "1"\ntitle = { es = "Materiales", en = "Building materials" }\ncurrency = "MXN"\n'
        "validity_days = 7\n"
    ]
    shelves = zip(SHELVES.items(), ICONS, strict=True)
    numbered = [(heading, icon, label) for (heading, labels), icon in shelves for label in labels.split(", ")]
    for number, ((es, en), icon, label) in enumerate(numbered):
        parts.append(f'''
[[products]]
code = "p{number}"
label = "{label}"
group = {{ es = "{es}", en = "{en}" }}
help = {{ es = "Se entrega en obra", en = "Delivered on site" }}
icon = "{icon}"
unit = "pza"
step = 1
minimum = 1
maximum = 1000
options = [
  {{ code = "size", label = {{ es = "Tamaño", en = "Size" }}, choices = [
    {{ code = "s", label = {{ es = "chico", en = "small" }} }},
    {{ code = "l", label = {{ es = "grande", en = "large" }}, add = {number + 1}.50 }},
  ] }},
]
prices = [{{ tiers = [{{ from = 1, price = {number + 10} }}] }}]
measures = [{{ kind = "pieces", label = {{ es = "Piezas", en = "Pieces" }}, formula = "known" }}]
''')
    return "".join(parts)
