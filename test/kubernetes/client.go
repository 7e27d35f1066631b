package kubernetes

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

// A client asks the server with a token.
type client struct {
	url, token string
}

func (c *cluster) as(token string) client { return client{"https://" + c.api, token} }

// insecure is for a server on loopback whose certificate was made a moment ago.
var insecure = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// ask sends an object as JSON, or nothing; status 0: there was no answer.
func (c client) ask(method, path string, object any) (status int, answer string) {
	var body bytes.Buffer
	if object != nil {
		if err := json.NewEncoder(&body).Encode(object); err != nil {
			return 0, err.Error()
		}
	}
	r, err := http.NewRequest(method, c.url+path, &body)
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", "application/merge-patch+json")
	}
	reply, err := insecure.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, err.Error()
	}
	return reply.StatusCode, string(text)
}

// do is ask for what must be done.
func (c client) do(t *testing.T, method, path string, object any) string {
	t.Helper()
	status, answer := c.ask(method, path, object)
	if status < 200 || status > 299 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

type object = map[string]any

// run starts a pod on a node as a scheduler and a kubelet would say that it runs, with an address.
func (c client) run(t *testing.T, node, name, address string) (uid string) {
	t.Helper()
	answer := c.do(t, "POST", "/api/v1/namespaces/shop/pods", object{
		"metadata": object{"name": name, "labels": object{"team": "a"}},
		"spec": object{
			"nodeName": node, "terminationGracePeriodSeconds": 0, "tolerations": []object{{"operator": "Exists"}},
			"containers": []object{{"name": "app", "image": "registry:5000/shop/cart:1.2"}},
		},
	})
	var made struct{ Metadata struct{ UID string } }
	if err := json.Unmarshal([]byte(answer), &made); err != nil {
		t.Fatal(err)
	}
	c.do(t, "PATCH", "/api/v1/namespaces/shop/pods/"+name+"/status", object{"status": object{
		"phase": "Running", "podIP": address, "podIPs": []object{{"ip": address}},
		"containerStatuses": []object{{
			"name": "app", "containerID": "containerd://" + id(made.Metadata.UID), "image": "x", "imageID": "x", "ready": true, "restartCount": 0, "state": object{},
		}},
	}})
	return made.Metadata.UID
}

// id gives a container id that belongs to a pod.
func id(uid string) string { return fmt.Sprintf("%064x", []byte(uid))[:64] }

// end deletes a pod at once.
func (c client) end(t *testing.T, name string) {
	t.Helper()
	c.do(t, "DELETE", "/api/v1/namespaces/shop/pods/"+name+"?gracePeriodSeconds=0", nil)
}

// store asks etcd itself, by the gateway that it has for JSON.
func (c *cluster) store(t *testing.T, what string, object any) string {
	t.Helper()
	body, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.Post("http://"+c.etcd+"/v3/kv/"+what, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("etcd: %v %s", err, text)
	}
	return string(text)
}

// forget deletes a pod behind the server's back, and all that etcd remembers of before.
func (c *cluster) forget(t *testing.T, name string) {
	t.Helper()
	key := base64.StdEncoding.EncodeToString([]byte("/registry/pods/shop/" + name))
	var done struct{ Header struct{ Revision string } }
	if err := json.Unmarshal([]byte(c.store(t, "deleterange", object{"key": key})), &done); err != nil {
		t.Fatal(err)
	}
	c.store(t, "compaction", object{"revision": done.Header.Revision, "physical": true})
}
