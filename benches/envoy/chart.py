"""A bar chart as SVG."""

from xml.sax.saxutils import escape

ROW, LEFT, WIDTH, TOP = 26, 250, 860, 64
OURS, OTHERS, INK = "#2f6fdb", "#b4bcc8", "#1c2430"


def draw(bars, machine):
    """`bars` are titles and numbers of requests a second."""
    height = TOP + ROW * len(bars) + 14
    scale = (WIDTH - LEFT - 90) / max(number for _, number in bars)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="16" font-weight="bold" fill="{INK}">Requests a second through one Envoy worker</text>',
        f'<text x="16" y="46" font-size="11" fill="#5b6676">{escape(machine)}</text>',
    ]
    for row, (title, number) in enumerate(bars):
        y = TOP + ROW * row
        colour = OURS if title.startswith("tenantgate") else OTHERS
        lines += [
            f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end" fill="{INK}">{escape(title)}</text>',
            f'<rect x="{LEFT}" y="{y + 2}" width="{number * scale:.1f}" height="{ROW - 8}" rx="2" fill="{colour}"/>',
            f'<text x="{LEFT + number * scale + 6:.1f}" y="{y + 15}" fill="{INK}">{number:,.0f}</text>',
        ]
    return "\n".join(lines + ["</svg>", ""])
