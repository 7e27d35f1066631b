package endurance

import (
	"fmt"
	"os"
	"strings"
)

// plot draws one panel for each measure over the time of the run.
func plot(path string, samples []sample, spans uint64) error {
	const width, height, left, gap = 640.0, 90.0, 70.0, 50.0
	var b strings.Builder
	end := samples[len(samples)-1].at
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12">`+"\n",
		left+width+20, gap+measures*(height+gap))
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/><text x="10" y="20">make soak: %.0f seconds, %d spans</text>`+"\n", end, spans)
	for i, m := range bounds {
		top := gap + float64(i)*(height+gap)
		most := 1.0
		for _, s := range samples {
			most = max(most, s.values[i]*1.2)
		}
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f">%s</text><text x="10" y="%.0f">%.0f</text><text x="10" y="%.0f">0</text>`+"\n",
			left, top-6, m.name, top+10, most, top+height)
		fmt.Fprintf(&b, `<path d="M%.0f %.0fV%.0fH%.0f" fill="none" stroke="gray"/><polyline fill="none" stroke="steelblue" points="`, left, top, top+height, left+width)
		for _, s := range samples {
			fmt.Fprintf(&b, "%.1f,%.1f ", left+width*s.at/end, top+height*(1-s.values[i]/most))
		}
		b.WriteString("\"/>\n")
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
