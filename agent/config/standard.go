package config

import (
	"cmp"
	"net"
	"slices"
	"strings"
)

// addStandard takes what the variables of the OpenTelemetry specification say of what is sent, and where:
// https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
//
// Unlike in an SDK nothing is sent unless somebody has said where to: by an endpoint for all signals or for this one, or by
// output otlp with no endpoint at all.
func (c *Config) addStandard(environ []string) (faults []error) {
	variables := map[string]string{}
	for _, entry := range environ {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			variables[name] = strings.TrimSpace(value)
		}
	}
	c.Sampler, c.SamplerArg = variables["OTEL_TRACES_SAMPLER"], variables["OTEL_TRACES_SAMPLER_ARG"]
	all, traces := variables["OTEL_EXPORTER_OTLP_ENDPOINT"], variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
	if c.Output == OutputAuto {
		c.Output = OutputTree
		if all+traces != "" {
			c.Output = OutputOTLP
		}
	}
	metrics, bad := exporters(variables, "OTEL_METRICS_EXPORTER", "otlp", "prometheus", "none")
	faults = append(faults, bad...)
	logs, bad := exporters(variables, "OTEL_LOGS_EXPORTER", "otlp", "none")
	faults = append(faults, bad...)
	somewhere := all != "" || c.Output == OutputOTLP && traces == ""
	c.PushMetrics = pushes(metrics, somewhere || variables["OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"] != "")
	c.PushLogs = pushes(logs, somewhere || variables["OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"] != "")
	if c.MetricsListen == "" && slices.Contains(metrics, "prometheus") {
		c.MetricsListen = net.JoinHostPort(cmp.Or(variables["OTEL_EXPORTER_PROMETHEUS_HOST"], "localhost"),
			cmp.Or(variables["OTEL_EXPORTER_PROMETHEUS_PORT"], "9464"))
		if !isAddress(c.MetricsListen) {
			faults = append(faults, &Error{"OTEL_EXPORTER_PROMETHEUS_HOST and _PORT", c.MetricsListen, "a host and a port"})
		}
	}
	return faults
}

// exporters gives the words of a variable that names exporters; none for one that is not set.
func exporters(variables map[string]string, name string, allowed ...string) (words []string, faults []error) {
	for word := range strings.SplitSeq(variables[name], ",") {
		word = strings.TrimSpace(word)
		switch {
		case word == "":
		case slices.Contains(allowed, word):
			words = append(words, word)
		default:
			faults = append(faults, &Error{name, word, "one of " + strings.Join(allowed, ", ")})
		}
	}
	return words, faults
}

// pushes tells whether a signal goes to a collector: if that is said, or, with nothing said of it, if there is one.
func pushes(words []string, somewhere bool) bool {
	if len(words) == 0 {
		return somewhere
	}
	return slices.Contains(words, "otlp")
}
