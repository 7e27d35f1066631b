package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"weft/correlate/propagation"
)

// junit writes one test case for each edge: the form that build servers read.
func junit(w io.Writer, j *Judgement) error {
	r := &j.Report
	suite := junitSuite{Name: "weft propagation", Time: r.To.Sub(r.From).Seconds(), Timestamp: r.To.Format("2006-01-02T15:04:05")}
	for i := range r.Edges {
		e := &r.Edges[i]
		one := junitCase{Class: plain(e.Service), Name: plain(e.Route + " -> " + e.Peer)}
		switch e.Health {
		case propagation.Broken:
			suite.Failures++
			one.Failure = &junitMessage{Type: "broken", Message: fmt.Sprintf("%d of %d go on", e.Rate.K, e.Rate.N), Text: j.sentences(e)}
		case propagation.NotEnough:
			suite.Skipped++
			one.Skipped = &junitMessage{Message: fmt.Sprintf("not enough data: %d of %d go on", e.Rate.K, e.Rate.N)}
		}
		suite.Cases = append(suite.Cases, one)
	}
	suite.Tests = len(suite.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Suites: []junitSuite{suite}}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// sentences tells the faults of an edge with their proofs.
func (j *Judgement) sentences(e *propagation.Edge) string {
	var b strings.Builder
	for _, f := range faults(e) {
		b.WriteString(plain(f.Sentence) + "\n")
		if proof := j.proof(&f); proof != nil {
			b.WriteByte('\n')
			_ = explain(&b, *proof) // what is written to memory can't fail
			b.WriteByte('\n')
		}
	}
	return b.String()
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      float64     `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Failure *junitMessage `xml:"failure,omitempty"`
	Skipped *junitMessage `xml:"skipped,omitempty"`
}

type junitMessage struct {
	Type    string `xml:"type,attr,omitempty"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// sarif writes one result for each fault: SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/.
func sarif(w io.Writer, j *Judgement) error {
	r := &j.Report
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver.Name = "weft"
	run.Tool.Driver.Rules = []sarifRule{}
	known := map[string]bool{}
	for i := range r.Edges {
		e := &r.Edges[i]
		for _, f := range faults(e) {
			if !known[f.Verdict] {
				known[f.Verdict] = true
				run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: f.Verdict, Name: f.Code, Short: sarifText{f.Verdict}})
			}
			level := "warning"
			if e.Health == propagation.Broken {
				level = "error"
			}
			one := sarifResult{Rule: f.Verdict, Level: level, Message: sarifText{plain(f.Sentence)}}
			var at sarifLocation
			at.Logical = []sarifLogical{{Name: plain(e.Service), Full: plain(e.Service + " " + e.Route + " -> " + e.Peer), Kind: "module"}}
			one.Locations = []sarifLocation{at}
			if proof := j.proof(&f); proof != nil {
				one.Properties = &sarifProperties{Proof: *proof}
			}
			run.Results = append(run.Results, one)
		}
	}
	return asJSON(w, sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver struct {
			Name  string      `json:"name"`
			Rules []sarifRule `json:"rules"`
		} `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifRule struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Short sarifText `json:"shortDescription"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	Rule      string          `json:"ruleId"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations"`

	Properties *sarifProperties `json:"properties,omitempty"`
}

// sarifProperties is the bag for what SARIF has no name for.
type sarifProperties struct {
	Proof propagation.Explanation `json:"proof"`
}

type sarifLocation struct {
	Logical []sarifLogical `json:"logicalLocations"`
}

type sarifLogical struct {
	Name string `json:"name"`
	Full string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}
