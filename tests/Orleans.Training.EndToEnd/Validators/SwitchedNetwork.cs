using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Some machines, as far as the network goes: each a network namespace with a cable to one switch, at which this process sits too. Cables are pulled and ports are kept apart at the switch, so that packets are lost without a word.</summary>
internal sealed class SwitchedNetwork : IDisposable
{
    private readonly string _name;
    private readonly int _network;

    public SwitchedNetwork(int machines)
    {
        MachineTool.Require("iproute2", "/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip");
        // 198.18.0.0/15 is for tests of networks (RFC 2544); other processes of tests may have their own part.
        _network = Random.Shared.Next(512);
        _name = string.Create(CultureInfo.InvariantCulture, $"ot{_network}");
        Hosts = [.. Enumerable.Range(0, machines).Select(machine => Address(machine + 2))];
        Ip("link", "add", _name, "type", "bridge");
        Ip("address", "add", $"{Address(1)}/24", "dev", _name);
        Ip("link", "set", _name, "up");
        for (var machine = 0; machine < machines; machine++)
        {
            var (inside, port) = (NamespaceOf(machine), PortOf(machine));
            Ip("netns", "add", inside);
            Ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", inside);
            Ip("link", "set", port, "master", _name, "up");
            Ip("-n", inside, "address", "add", $"{Hosts[machine]}/24", "dev", "eth0");
            Ip("-n", inside, "link", "set", "eth0", "up");
            Ip("-n", inside, "link", "set", "lo", "up");
        }
    }

    /// <summary>The addresses of the machines.</summary>
    public IReadOnlyList<IPAddress> Hosts { get; }

    /// <summary>What comes before a program of a machine.</summary>
    public string[] On(int machine) => ["netns", "exec", NamespaceOf(machine), "dotnet"];

    /// <summary>Pulls a cable, or puts it back.</summary>
    public void Pull(int machine, bool back = false) => Ip("link", "set", PortOf(machine), back ? "up" : "down");

    /// <summary>Keeps machines apart: each reaches all others, and none of these reaches another of these. Or no longer.</summary>
    public void KeepApart(bool apart, params int[] machines)
    {
        foreach (var machine in machines) Ip("link", "set", PortOf(machine), "type", "bridge_slave", "isolated", apart ? "on" : "off");
    }

    /// <summary>Whether a connection from a machine to an address comes about.</summary>
    public bool Reaches(int machine, Uri address)
    {
        using var attempt = Process.Start("ip", ["netns", "exec", NamespaceOf(machine), "timeout", "1", "bash", "-c", $"exec 2>/dev/null 3<>/dev/tcp/{address.Host}/{address.Port}"]);
        attempt.WaitForExit();
        return attempt.ExitCode == 0;
    }

    public void Dispose()
    {
        for (var machine = 0; machine < Hosts.Count; machine++)
        {
            Ip("link", "delete", PortOf(machine));
            Ip("netns", "delete", NamespaceOf(machine));
        }

        Ip("link", "delete", _name);
    }

    private static void Ip(params string[] arguments) => MachineTool.Run("ip", arguments);

    private IPAddress Address(int last) => new([198, (byte)(18 + _network / 256), (byte)(_network % 256), (byte)last]);

    private string NamespaceOf(int machine) => string.Create(CultureInfo.InvariantCulture, $"{_name}-{machine}");

    private string PortOf(int machine) => string.Create(CultureInfo.InvariantCulture, $"{_name}p{machine}");
}
