package watch

import (
	"errors"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// A kubeconfig is what is read of such a file (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/).
type kubeconfig struct {
	CurrentContext string `yaml:"current-context"`
	Clusters       []struct {
		Name    string      `yaml:"name"`
		Cluster kubeCluster `yaml:"cluster"`
	} `yaml:"clusters"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	} `yaml:"contexts"`
	Users []struct {
		Name string   `yaml:"name"`
		User kubeUser `yaml:"user"`
	} `yaml:"users"`
}

type kubeCluster struct {
	Server        string `yaml:"server"`
	ServerName    string `yaml:"tls-server-name"`
	Authority     string `yaml:"certificate-authority"`
	AuthorityData string `yaml:"certificate-authority-data"`
	Insecure      bool   `yaml:"insecure-skip-tls-verify"`
	Proxy         string `yaml:"proxy-url"`
}

type kubeUser struct {
	Token           string    `yaml:"token"`
	TokenFile       string    `yaml:"tokenFile"`
	Certificate     string    `yaml:"client-certificate"`
	CertificateData string    `yaml:"client-certificate-data"`
	Key             string    `yaml:"client-key"`
	KeyData         string    `yaml:"client-key-data"`
	Username        string    `yaml:"username"`
	Impersonate     string    `yaml:"as"`
	Exec            yaml.Node `yaml:"exec"`
	AuthProvider    yaml.Node `yaml:"auth-provider"`
}

// CheckKubeconfig returns why a kubeconfig cannot be used, in a sentence that says what to do instead. A file that does
// not exist is no error: the daemon waits for it. Files that the kubeconfig names are not looked at.
func CheckKubeconfig(path string) error {
	var r credentialReader
	data, err := r.file(path, "kubeconfig", "")
	if err != nil {
		if _, missing := contentID(path); errors.Is(missing, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	_, _, err = parseKubeconfig(data, path)
	return err
}

// kubeconfig reads the credentials of the current context.
func (r *credentialReader) kubeconfig(path string) (*credentials, error) {
	data, err := r.file(path, "kubeconfig", "copy it to the router, or use `sniroute enroll URL` instead")
	if err != nil {
		return nil, err
	}
	cluster, user, err := parseKubeconfig(data, path)
	if err != nil {
		return nil, err
	}
	c := &credentials{serverName: cluster.ServerName}
	server, err := serverURL(cluster.Server)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c.servers = append(c.servers, server)

	authority, err := r.dataOrFile(cluster.AuthorityData, cluster.Authority, path, "certificate-authority")
	if err != nil {
		return nil, err
	}
	if authority != nil {
		if err := c.trust(authority, "certificate-authority of "+path); err != nil {
			return nil, err
		}
	}
	token := []byte(user.Token)
	if user.TokenFile != "" { // it takes precedence, as in client-go
		if token, err = r.dataOrFile("", user.TokenFile, path, "tokenFile"); err != nil {
			return nil, err
		}
	}
	if len(token) > 0 {
		if err := c.setToken(string(token), path); err != nil {
			return nil, err
		}
	}
	certificate, err := r.dataOrFile(user.CertificateData, user.Certificate, path, "client-certificate")
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		key, err := r.dataOrFile(user.KeyData, user.Key, path, "client-key")
		if err != nil {
			return nil, err
		}
		if err := c.setCertificate(certificate, key, path); err != nil {
			return nil, err
		}
	}
	if c.token == "" && c.certificate == nil {
		return nil, fmt.Errorf("%s: its user has neither a token nor a client certificate: %s", path, remedyToken)
	}
	return c, nil
}

const remedyToken = "make a token for the router with `ssh root@ROUTER sniroute manifest | kubectl apply -f -` and hand it over with " +
	"`sniroute enroll URL`"

// parseKubeconfig returns cluster and user of the current context, and refuses what sniroute does not do.
func parseKubeconfig(data []byte, path string) (*kubeCluster, *kubeUser, error) {
	var config kubeconfig
	if err := decodeBounded(data, &config); err != nil {
		return nil, nil, noKubeconfig(path, err)
	}
	var clusterName, userName string
	found := false
	for _, c := range config.Contexts {
		if c.Name == config.CurrentContext {
			clusterName, userName, found = c.Context.Cluster, c.Context.User, true
		}
	}
	if !found {
		return nil, nil, fmt.Errorf("%s: there is no context %q, which current-context names", path,
			shorten(config.CurrentContext))
	}
	var cluster *kubeCluster
	for i := range config.Clusters {
		if config.Clusters[i].Name == clusterName {
			cluster = &config.Clusters[i].Cluster
		}
	}
	var user *kubeUser
	for i := range config.Users {
		if config.Users[i].Name == userName {
			user = &config.Users[i].User
		}
	}
	if cluster == nil || user == nil {
		return nil, nil, fmt.Errorf("%s: context %q names a cluster or a user that the file does not have", path,
			shorten(config.CurrentContext))
	}
	refused := func(what, why, remedy string) error {
		return fmt.Errorf("%s: %s is refused, %s: %s", path, what, why, remedy)
	}
	switch {
	case !user.Exec.IsZero():
		return nil, nil, refused("exec", "sniroute runs no program to get credentials", remedyToken)
	case !user.AuthProvider.IsZero():
		return nil, nil, refused("auth-provider", "sniroute runs no program to get credentials", remedyToken)
	case user.Username != "":
		return nil, nil, refused("username", "no API server takes passwords any more", remedyToken)
	case user.Impersonate != "":
		return nil, nil, refused("as", "who may impersonate is no one that a router should be", remedyToken)
	case cluster.Insecure:
		return nil, nil, refused("insecure-skip-tls-verify", "anyone could pose as the API server",
			"give certificate-authority-data, or option ca_file")
	case cluster.Proxy != "":
		return nil, nil, refused("proxy-url", "the router reaches its own LAN",
			"name the API server's own address as server")
	}
	if _, err := serverURL(cluster.Server); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return cluster, user, nil
}

// noKubeconfig says where a file is no kubeconfig. It does not say what is there: the path may be any file's, one that
// holds a token perhaps, and whoever asks need not be somebody who may read it.
func noKubeconfig(path string, err error) error {
	message := err.Error()
	var several *yaml.TypeError
	if errors.As(err, &several) && len(several.Errors) > 0 {
		message = several.Errors[0]
	}
	if line, _ := splitLine(message); line > 0 {
		path += fmt.Sprintf(", line %d,", line)
	}
	return fmt.Errorf("%s is no kubeconfig: copy one to the router, or use `sniroute enroll URL` instead", path)
}

// decodeBounded reads one YAML document under the bounds of a manifest file.
func decodeBounded(data []byte, into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be parsed: %s", shorten(fmt.Sprint(r)))
		}
	}()
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	d := &yamlDecoder{nodes: maxNodes}
	if !d.bounded(&document, 0) {
		return errors.New(d.problems[0].Message)
	}
	return document.Decode(into)
}
