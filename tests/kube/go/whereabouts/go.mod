module cni-ipam/tests/kube/whereabouts

go 1.25

require github.com/k8snetworkplumbingwg/whereabouts v0.8.0
