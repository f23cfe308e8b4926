using System.Text;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Foreign;

namespace Orleans.Training.EndToEnd.Validators;

/// <summary>Validators as witnesses of other logs, and other logs' witnesses for validators (c2sp.org/tlog-witness).</summary>
public sealed class WitnessTests
{
    [Fact]
    public async Task AForeignLog_IsCosigned_AndOnlyWhileItContinues()
    {
        var log = ForeignTool.GoProgram("witness.go").Trim();
        await using var federation = await SeatFederation.Create();
        var alpha = federation.Seats[0];
        var ready = await alpha.Start(federation.AllPeers(alpha), witness: [$"log {log}"]);
        var said = ForeignTool.GoProgram("witness.go", new Uri(alpha.Address, "witness").AbsoluteUri, ready.GetProperty("witness").GetString()!);
        string[] expected =
        [
            "first: 200 cosigned",
            "the same again: 200 cosigned",
            "grown: 200 cosigned",
            "from an old size: 409 text/x.tlog.size 300",
            "forked: 422 text/plain; charset=utf-8 Inconsistent",
            "forked later: 409 text/x.tlog.size 300",
            "shrunk: 400 text/plain; charset=utf-8 Malformed",
            "without proof: 422 text/plain; charset=utf-8 Inconsistent",
            "signed by nobody: 403 text/plain; charset=utf-8 NotSigned",
            "another signature: 403 text/plain; charset=utf-8 NotSigned",
            "another log: 404 text/plain; charset=utf-8 UnknownLog",
            "no request: 400 text/plain; charset=utf-8 Malformed",
            "held: 2 signatures on size 300",
        ];
        Assert.Equal(expected, said.Split('\n', StringSplitOptions.RemoveEmptyEntries));

        // What it has cosigned it knows after kill -9, too.
        await alpha.Kill();
        await alpha.Start(federation.AllPeers(alpha), witness: [$"log {log}"]);
        said = ForeignTool.GoProgram("witness.go", new Uri(alpha.Address, "witness").AbsoluteUri, ready.GetProperty("witness").GetString()!);
        Assert.StartsWith("first: 409 text/x.tlog.size 300\n", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AValidatorsLog_CarriesItsWitnesses_AndGoesOnWithoutThem()
    {
        await using var federation = await SeatFederation.Create();
        var (witness, seat) = (federation.Seats[0], federation.Seats[3]);
        var log = new NoteKey(federation.Genesis.Origin, NoteKeyKind.Log, federation.Genesis.Validators.Seats[3].LogKey);
        var ready = await witness.Start(federation.AllPeers(witness), witness: [$"log {log}"]);
        Assert.True(NoteKey.TryParse(ready.GetProperty("witness").GetString()!, out var key));
        await Task.WhenAll([.. federation.Seats.Skip(1).Take(2).Select(other => other.Start(federation.AllPeers(other))), seat.Start(federation.AllPeers(seat), witness: [$"witness w {key} {new Uri(witness.Address, "witness")}"])]);
        // At three sizes: the first has no proof, the others continue it.
        for (var i = 0; i < 3; i++)
        {
            var size = await federation.Commit(seat);
            using var pause = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            while (!(SignedNote.TryParse(Encoding.UTF8.GetString(await seat.Get("checkpoint", federation.Limit) ?? []), out var note) && note!.IsSignedBy(key!) && Checkpoint.TryParse(note.Text, out var checkpoint) && checkpoint!.Size >= size)) await pause.WaitForNextTickAsync(federation.Limit);
        }

        await witness.Kill();
        await federation.Commit(seat);
    }
}
