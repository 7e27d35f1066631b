package main

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// panel shows how several measures grow with one: both axes are logarithmic, so that what is linear rises like the dashed line.
type panel struct {
	title, x string
	order    []string // names of the lines
	lines    map[string][]point
}

// point is a measure y at a size x, both above 0.
type point struct{ x, y float64 }

// growth gives the panel of a title, a new one when there is none.
func (b *bench) growth(title, x string) *panel {
	for _, p := range b.panels {
		if p.title == title {
			return p
		}
	}
	p := &panel{title: title, x: x, lines: make(map[string][]point)}
	b.panels = append(b.panels, p)
	return p
}

// add puts a point on a line. What is 0 has no place on such an axis.
func (p *panel) add(name string, x, y float64) {
	if x <= 0 || y <= 0 {
		return
	}
	if p.lines[name] == nil {
		p.order = append(p.order, name)
	}
	p.lines[name] = append(p.lines[name], point{x, y})
}

// The places of a panel, in pixels.
const (
	panelWidth  = 420.0
	panelHeight = 200.0
	panelLeft   = 70.0
	panelTop    = 50.0
	panelBottom = 45.0
	letter      = 7.0 // a wide one of the legend
)

var colours = []string{"steelblue", "firebrick", "seagreen", "darkorange"}

// plot draws all panels below each other.
func plot(path string, panels []*panel) error {
	var s strings.Builder
	one := panelTop + panelHeight + panelBottom
	legend := len("dashed: linear")
	for _, p := range panels {
		for name := range p.lines {
			legend = max(legend, len(name))
		}
	}
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n",
		panelLeft+panelWidth+20+letter*float64(legend), one*float64(len(panels)))
	s.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	for i, p := range panels {
		fmt.Fprintf(&s, `<g transform="translate(%.0f %.0f)">`+"\n", panelLeft, one*float64(i)+panelTop)
		p.draw(&s)
		s.WriteString("</g>\n")
	}
	s.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(s.String()), 0o644)
}

// axis is a range of powers of ten, on so many pixels.
type axis struct{ low, high, length float64 }

func newAxis(length float64, values []float64) axis {
	a := axis{math.Inf(1), math.Inf(-1), length}
	for _, v := range values {
		a.low, a.high = min(a.low, math.Floor(math.Log10(v))), max(a.high, math.Ceil(math.Log10(v)))
	}
	a.high = max(a.high, a.low+1)
	return a
}

func (a axis) at(v float64) float64 { return (math.Log10(v) - a.low) / (a.high - a.low) * a.length }

func (p *panel) draw(s *strings.Builder) {
	var xs, ys []float64
	for _, line := range p.lines {
		for _, at := range line {
			xs, ys = append(xs, at.x), append(ys, at.y)
		}
	}
	fmt.Fprintf(s, `<text x="0" y="-25" font-weight="bold">%s</text>`+"\n", p.title)
	if len(xs) == 0 {
		return
	}
	x, y := newAxis(panelWidth, xs), newAxis(panelHeight, ys)
	fmt.Fprintf(s, `<path d="M0 0V%.0fH%.0f" fill="none" stroke="gray"/>`+"\n", panelHeight, panelWidth)
	for e := x.low; e <= x.high; e++ {
		fmt.Fprintf(s, `<text x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", x.at(math.Pow(10, e)), panelHeight+16, power(e))
	}
	for e := y.low; e <= y.high; e++ {
		fmt.Fprintf(s, `<text x="-6" y="%.0f" text-anchor="end">%s</text>`+"\n", panelHeight-y.at(math.Pow(10, e))+4, power(e))
	}
	fmt.Fprintf(s, `<text x="%.0f" y="%.0f" text-anchor="middle">%s</text>`+"\n", panelWidth/2, panelHeight+34, p.x)
	decades := min(x.high-x.low, y.high-y.low)
	fmt.Fprintf(s, `<path d="M0 %.0fL%.0f %.0f" fill="none" stroke="gray" stroke-dasharray="4 4"/>`+"\n", panelHeight,
		decades/(x.high-x.low)*panelWidth, panelHeight-decades/(y.high-y.low)*panelHeight)
	for i, name := range p.order {
		colour := colours[i%len(colours)]
		fmt.Fprintf(s, `<text x="%.0f" y="%.0f" fill="%s">%s</text><polyline fill="none" stroke="%s" points="`, panelWidth+12, 12+18*float64(i), colour, name, colour)
		for _, at := range p.lines[name] {
			fmt.Fprintf(s, "%.1f,%.1f ", x.at(at.x), panelHeight-y.at(at.y))
		}
		s.WriteString("\"/>\n")
		for _, at := range p.lines[name] {
			fmt.Fprintf(s, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, x.at(at.x), panelHeight-y.at(at.y), colour)
		}
		s.WriteByte('\n')
	}
	fmt.Fprintf(s, `<text x="%.0f" y="%.0f" fill="gray">dashed: linear</text>`+"\n", panelWidth+12, 12+18*float64(len(p.order)))
}

// power spells a power of ten.
func power(e float64) string {
	switch {
	case e >= 6:
		return fmt.Sprintf("%.0fM", math.Pow(10, e-6))
	case e >= 3:
		return fmt.Sprintf("%.0fk", math.Pow(10, e-3))
	}
	return fmt.Sprint(math.Pow(10, e))
}
