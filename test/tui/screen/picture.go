package screen

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// A cell of a picture is so many units wide and high, and text stands so far below its upper edge.
const (
	cellWidth  = 8.4
	cellHeight = 17.0
	baseline   = 12.9
	fontSize   = 14
	margin     = 10.0
)

// A look has a terminal's own colours: of text, of the background, and the palette's first sixteen.
type look struct {
	text, back string
	palette    [16]string
}

var (
	darkLook = look{"#d4d4d4", "#101418", [16]string{"#1e2329", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#c8ccd4",
		"#7f8794", "#ff7b86", "#b5e890", "#ffd68a", "#82c4ff", "#dd9cf0", "#7fdbe6", "#ffffff"}}
	lightLook = look{"#24292f", "#ffffff", [16]string{"#24292f", "#c0262d", "#116329", "#8a6100", "#0550ae", "#7b3fc4", "#0f6a73", "#d0d7de",
		"#6e7781", "#a40e26", "#1a7f37", "#7d4e00", "#0969da", "#8250df", "#1b7c83", "#ffffff"}}
)

// SVG draws what Styled returned as a picture of a screen with so many columns, on a dark or a light terminal.
func SVG(styled string, columns int, dark bool) string {
	l := lightLook
	if dark {
		l = darkLook
	}
	rows := Cells(styled)
	width, height := float64(columns)*cellWidth+2*margin, float64(len(rows))*cellHeight+2*margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.1f %.1f" width="%.0f" height="%.0f" font-family="'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace" font-size="%d">`+"\n",
		width, height, width, height, fontSize)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", l.back)
	for y, row := range rows {
		for x := 0; x < len(row); {
			end := x + 1
			for end < len(row) && row[end].Style == row[x].Style && plain(row[x]) && plain(row[end]) || end < len(row) && row[end].Text == "" {
				end++
			}
			l.draw(&b, row[x:end], margin+float64(x)*cellWidth, margin+float64(y)*cellHeight)
			x = end
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// plain says whether a cell can be drawn with its neighbours as one text.
func plain(c Cell) bool { return len(c.Text) == 1 }

// draw draws cells of one style, which are plain, or one character.
func (l look) draw(b *strings.Builder, cells []Cell, x, y float64) {
	style := cells[0].Style
	fill, back := l.colour(style.Foreground, l.text), l.colour(style.Background, l.back)
	if style.Reverse {
		fill, back = back, fill
	}
	width := float64(len(cells)) * cellWidth
	if back != l.back {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.2f" height="%.2f" fill="%s"/>`+"\n", x, y, width+0.1, cellHeight+0.1, back)
	}
	var text strings.Builder
	for _, c := range cells {
		text.WriteString(c.Text)
	}
	attributes := ""
	if style.Dim {
		attributes += ` opacity="0.6"`
	}
	if style.Underline || style.Crossed {
		line := y + cellHeight - 2
		if style.Crossed {
			line = y + cellHeight/2
		}
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="1" fill="%s"%s/>`+"\n", x, line, width, fill, attributes)
	}
	if strings.TrimSpace(text.String()) == "" || shape(b, text.String(), x, y, fill, attributes) {
		return
	}
	if style.Bold {
		attributes += ` font-weight="bold"`
	}
	if style.Italic {
		attributes += ` font-style="italic"`
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" textLength="%.1f" fill="%s" xml:space="preserve"%s>`, x, y+baseline, width, fill, attributes)
	xml.EscapeText(b, []byte(text.String())) // a Builder takes everything
	b.WriteString("</text>\n")
}

// colour is a colour as SVG has it.
func (l look) colour(c, own string) string {
	if c == "" || strings.HasPrefix(c, "#") {
		if c == "" {
			return own
		}
		return c
	}
	n, _ := strconv.Atoi(c)
	switch {
	case n < 16:
		return l.palette[max(0, n)]
	case n < 232: // a cube
		level := func(v int) int {
			if v == 0 {
				return 0
			}
			return 55 + 40*v
		}
		n -= 16
		return fmt.Sprintf("#%02x%02x%02x", level(n/36), level(n/6%6), level(n%6))
	}
	grey := 8 + 10*(min(n, 255)-232)
	return fmt.Sprintf("#%02x%02x%02x", grey, grey, grey)
}

// arms are the lines of box drawing characters from the middle of the cell: left, right, up, down.
var arms = map[string]string{
	"─": "lr", "│": "ud", "┌": "rd", "┐": "ld", "└": "ru", "┘": "lu", "├": "rud", "┤": "lud", "┬": "lrd", "┴": "lru", "┼": "lrud",
	"╭": "rd", "╮": "ld", "╰": "ru", "╯": "lu", "━": "lr", "┃": "ud", "╴": "l", "╶": "r", "╵": "u", "╷": "d",
}

// shape draws what has to join with the neighbouring cells, which fonts do not see to: blocks and lines.
func shape(b *strings.Builder, char string, x, y float64, fill, attributes string) bool {
	rect := func(left, top, width, height float64, more string) bool {
		fmt.Fprintf(b, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"%s/>`+"\n", x+left, y+top, width, height, fill, attributes+more)
		return true
	}
	r := []rune(char)
	if len(r) != 1 {
		return false
	}
	switch c := r[0]; {
	case c == '▀':
		return rect(0, 0, cellWidth, cellHeight/2, "")
	case c >= '▁' && c <= '█':
		h := cellHeight * float64(c-'▁'+1) / 8
		return rect(0, cellHeight-h, cellWidth+0.05, h+0.05, "")
	case c >= '▉' && c <= '▏':
		return rect(0, 0, cellWidth*float64('▏'-c+1)/8, cellHeight, "")
	case c == '▐':
		return rect(cellWidth/2, 0, cellWidth/2, cellHeight, "")
	case c >= '░' && c <= '▓':
		return rect(0, 0, cellWidth, cellHeight, fmt.Sprintf(` fill-opacity="0.%d"`, 25*(c-'░'+1)))
	}
	lines, ok := arms[char]
	if !ok {
		return false
	}
	const thick = 1.2
	for _, arm := range lines {
		switch arm {
		case 'l':
			rect(0, (cellHeight-thick)/2, cellWidth/2+thick/2, thick, "")
		case 'r':
			rect(cellWidth/2-thick/2, (cellHeight-thick)/2, cellWidth/2+thick/2, thick, "")
		case 'u':
			rect((cellWidth-thick)/2, 0, thick, cellHeight/2+thick/2, "")
		case 'd':
			rect((cellWidth-thick)/2, cellHeight/2-thick/2, thick, cellHeight/2+thick/2, "")
		}
	}
	return true
}
