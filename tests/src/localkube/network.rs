//! The network: one switch, a cable to every namespace, static routes, no way out of the machine.

use std::time::Duration;

use super::error::Error;
use super::files;
use super::layout::{
    BRIDGE, CONTROL_ADDRESS, CONTROL_ETC, CONTROL_NETNS, NETNS_DIR, Node, SERVICE_RANGE,
    SWITCH_NETNS, all_netns, cable,
};
use crate::command::{command, run, run_with_input};

const LIMIT: Duration = Duration::from_secs(15);

/// Makes all namespaces, cables and routes for `nodes`.
pub(super) async fn build(nodes: &[Node]) -> Result<(), Error> {
    let mut hosts = vec![(CONTROL_NETNS.to_owned(), CONTROL_ADDRESS)];
    hosts.extend(nodes.iter().map(|node| (node.netns(), node.address())));
    let mut create = vec![format!("netns add {SWITCH_NETNS}")];
    create.extend(hosts.iter().map(|(netns, _)| format!("netns add {netns}")));
    ip(None, &create).await?;
    let mut switch = vec![
        "link set lo up".to_owned(),
        format!("link add {BRIDGE} type bridge"),
        format!("link set {BRIDGE} up"),
    ];
    for (netns, _) in &hosts {
        let plug = cable(netns);
        switch.push(format!("link add {plug} type veth peer name eth0 netns {netns}"));
        switch.push(format!("link set {plug} master {BRIDGE} up"));
    }
    ip(Some(SWITCH_NETNS), &switch).await?;
    for (netns, address) in &hosts {
        let host = [
            "link set lo up".to_owned(),
            format!("addr add {address}/24 dev eth0"),
            "link set eth0 up".to_owned(),
        ];
        ip(Some(netns), &host).await?;
        forward_packets(netns).await?;
    }
    route(nodes).await?;
    files::write(format!("{CONTROL_ETC}/resolv.conf"), resolv_conf())
}

/// Every host knows which node has which pods. A node sends service addresses nowhere in particular:
/// kube-proxy rewrites them, but only once a route lets them into the output path.
async fn route(nodes: &[Node]) -> Result<(), Error> {
    let to_pods = |node: &Node| format!("route add {} via {}", node.pod_range(), node.address());
    ip(Some(CONTROL_NETNS), &nodes.iter().map(to_pods).collect::<Vec<_>>()).await?;
    for node in nodes {
        let mut routes = vec![format!("route add {SERVICE_RANGE} dev eth0")];
        routes.extend(nodes.iter().filter(|other| *other != node).map(to_pods));
        ip(Some(&node.netns()), &routes).await?;
    }
    service_route(nodes).await
}

/// Sends the control namespace's traffic to service addresses through the first node whose cable is
/// whole; leaves it as it is when none is.
pub(super) async fn service_route(nodes: &[Node]) -> Result<(), Error> {
    for node in nodes {
        if is_connected(*node).await? {
            let via = format!("route replace {SERVICE_RANGE} via {}", node.address());
            return ip(Some(CONTROL_NETNS), &[via]).await;
        }
    }
    Ok(())
}

/// Pulls the node's cable out of the switch, or puts it back.
pub(super) async fn set_cable(node: Node, connected: bool) -> Result<(), Error> {
    let state = if connected { "up" } else { "down" };
    ip(Some(SWITCH_NETNS), &[format!("link set {} {state}", node.cable())]).await
}

/// Whether the node's cable is in the switch.
pub(super) async fn is_connected(node: Node) -> Result<bool, Error> {
    let mut show = command("ip");
    show.args(["-n", SWITCH_NETNS, "-o", "link", "show", &node.cable()]);
    Ok(is_up(&run(&mut show, LIMIT).await?))
}

/// Whether the flags in `ip -o link show`'s line, such as `<BROADCAST,MULTICAST,UP>`, have UP.
fn is_up(line: &str) -> bool {
    let flags = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    flags.is_some_and(|(flags, _)| flags.split(',').any(|flag| flag == "UP"))
}

/// Removes all namespaces; the processes in them must have been ended.
pub(super) async fn remove() -> Result<(), Error> {
    let made = |netns: &String| std::path::Path::new(NETNS_DIR).join(netns).exists();
    let removals: Vec<String> =
        all_netns().iter().filter(|n| made(n)).map(|n| format!("netns del {n}")).collect();
    if !removals.is_empty() {
        ip(None, &removals).await?;
    }
    files::remove_all(CONTROL_ETC)
}

/// Runs `lines` by one `ip -batch`: a process for each would take seconds in all.
async fn ip(netns: Option<&str>, lines: &[String]) -> Result<(), Error> {
    let mut ip = command("ip");
    if let Some(netns) = netns {
        ip.args(["-n", netns]);
    }
    ip.args(["-batch", "-"]);
    run_with_input(&mut ip, &lines.join("\n"), LIMIT).await?;
    Ok(())
}

/// The setting belongs to the namespace of whoever opens the file.
async fn forward_packets(netns: &str) -> Result<(), Error> {
    let mut set = command("nsenter");
    set.arg(format!("--net={NETNS_DIR}/{netns}"));
    set.args(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
    run(&mut set, LIMIT).await?;
    Ok(())
}

fn resolv_conf() -> String {
    format!(
        "nameserver {CONTROL_ADDRESS}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_cable_is_told_from_a_whole_one() {
        let whole = "5: v-eto-n1@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP";
        let cut = "5: v-eto-n1@if2: <BROADCAST,MULTICAST> mtu 1500 master br0 state DOWN";
        assert!(is_up(whole));
        assert!(!is_up(cut));
        assert!(!is_up("5: v-eto-n1: <LOWER_UP> mtu 1500"));
    }
}
