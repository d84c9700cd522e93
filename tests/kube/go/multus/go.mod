module cni-ipam/tests/kube/multus

go 1.25

require gopkg.in/k8snetworkplumbingwg/multus-cni.v4 v4.2.3
