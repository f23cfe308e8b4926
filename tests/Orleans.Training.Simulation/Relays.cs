namespace Orleans.Training.Simulation;

/// <summary>
/// Some pairs of nodes reach each other only through a relay that both know (docs/spec/links.md §5). A relay delays; it may go away, and what it carries is lost; one may take everything and pass nothing on. A
/// pair stays with its relay until that goes away, or for as long as a link without a sign of life is kept, and then tries the next.
/// </summary>
internal sealed class Relays
{
    private const long SilenceUs = 20_000_000;

    private sealed class Relay
    {
        public bool IsUp = true;
        public int Life;
        public bool Swallows;
        public long SlowestUs;
    }

    private sealed class Pair
    {
        public int Relay;
        // Not before this time is there a link again.
        public long LinkedFromUs;
        public long MutedSinceUs = -1;
    }

    private readonly World _world;
    private readonly Relay[] _relays;
    private readonly Dictionary<(int, int), Pair> _pairs = [];

    public Relays(World world)
    {
        _world = world;
        var chance = world.Chance;
        var profile = world.Profile;
        _relays = [.. Enumerable.Range(0, profile.Relays).Select(_ => new Relay { SlowestUs = 1000L * chance.Pick([1, 20, 200]) })];
        // One fewer than there are may lie.
        for (var i = 0; i < _relays.Length - 1; i++) _relays[i].Swallows = chance.Percent(20);
        for (var one = 0; one < world.Nodes && _relays.Length > 0; one++)
        {
            for (var other = one + 1; other < world.Nodes; other++)
            {
                if (chance.Percent(profile.RelayedPercent)) _pairs[(one, other)] = new Pair { Relay = chance.Below(_relays.Length) };
            }
        }

        foreach (var relay in _relays)
        {
            for (var i = 0; i < profile.RelayFailures; i++) world.After(chance.Between(0, profile.StabilizesAtMs * 1000L), () => Fail(relay));
        }
    }

    /// <summary>The delay that is added on this way, and whether what goes now arrives when asked at the end; null when it is lost at once.</summary>
    public (long DelayUs, Func<bool> Arrives)? Way(int from, int to)
    {
        if (!_pairs.TryGetValue((Math.Min(from, to), Math.Max(from, to)), out var pair)) return (0, static () => true);
        var now = _world.ElapsedMs * 1000;
        if (now < pair.LinkedFromUs) return null;
        var relay = _relays[pair.Relay];
        if (relay.Swallows && pair.MutedSinceUs < 0) pair.MutedSinceUs = now;
        if (!relay.IsUp || (relay.Swallows && now - pair.MutedSinceUs > SilenceUs))
        {
            pair.Relay = (pair.Relay + 1) % _relays.Length;
            pair.LinkedFromUs = now + _world.Chance.Between(200_000, _world.IsStable ? 500_000 : 5_000_000);
            pair.MutedSinceUs = -1;
            return null;
        }

        var life = relay.Life;
        return relay.Swallows ? null : (_world.Chance.Between(0, _world.IsStable ? Math.Min(20_000, relay.SlowestUs) : relay.SlowestUs), () => relay.Life == life);
    }

    private void Fail(Relay relay)
    {
        relay.IsUp = false;
        relay.Life++;
        _world.After(_world.Chance.Between(100_000, 3_000_000), () => relay.IsUp = true);
    }
}
