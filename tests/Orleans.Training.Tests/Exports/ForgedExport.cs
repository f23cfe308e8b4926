using System.Globalization;
using System.Text;
using Orleans.Training.Client.Exports;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Ledger;
using Orleans.Training.Tests.Ledger;

namespace Orleans.Training.Tests.Exports;

/// <summary>What the validators of an export say if all of them lie together: a call has other arguments or another result than when it was executed, and everything behind it is hashed and signed anew.</summary>
internal static class ForgedExport
{
    /// <summary>Other arguments and another result of a call; null leaves it as it is.</summary>
    public delegate (byte[] Arguments, Rejection Result)? Lie(TransactionPayload call);

    /// <summary>Changes a bit of the <paramref name="at"/>-th call of a method, so many bytes before the end of its arguments; <paramref name="about"/> leaves out calls.</summary>
    public static Lie Flip(string method, int at, int fromEnd, Predicate<byte[]>? about = null, byte bits = 1) => Change(method, at, arguments => arguments[^fromEnd] ^= bits, about);

    /// <summary>Puts these bytes into the <paramref name="at"/>-th call of a method, so many before the end of its arguments.</summary>
    public static Lie Put(string method, int at, int fromEnd, params IEnumerable<byte> bytes) => Change(method, at, arguments => bytes.ToArray().CopyTo(arguments, arguments.Length - fromEnd), about: null);

    /// <summary>Says of the <paramref name="at"/>-th call of a method that its contract refused it.</summary>
    public static Lie Refuse(string method, int at, Predicate<byte[]>? about = null) => Change(method, at, _ => { }, about, Rejection.Late);

    private static Lie Change(string method, int at, Action<byte[]> change, Predicate<byte[]>? about, Rejection result = Rejection.None)
    {
        var seen = 0;
        return call =>
        {
            var arguments = call.Arguments.ToArray();
            if (Name(call) != method || (about is not null && !about(arguments)) || seen++ != at) return null;
            change(arguments);
            return (arguments, result);
        };
    }

    /// <summary>The export with these lies in it.</summary>
    public static TestExport With(this TestExport export, params Lie[] lies) => export.With(signer: null, isStale: false, lies);

    /// <summary>The same, where somebody else signs the changed calls in their actors' names, or leaves are about the calls as they were.</summary>
    public static TestExport With(this TestExport export, string? signer, bool isStale, params Lie[] lies)
    {
        var (shard, tree, parent, forged) = (export.Shard, new MerkleTree(), export.Shard.Genesis.Chain, new List<byte[]>());
        var lied = 0;
        foreach (var executed in shard.Blocks)
        {
            var (block, leaves) = (executed.Block, LedgerState.Of(executed).Leaves);
            Transaction[] transactions = [.. block.Transactions.Select(Parse)];
            Entry[] entries = [.. leaves.Skip(1).Select(leaf => Read<Entry>(leaf))];
            for (var i = 0; i < transactions.Length; i++)
            {
                // Each is asked about every call, since each counts them.
                var others = lies.Select(lie => lie(transactions[i].Payload)).Where(other => other is not null).ToArray();
                lied += others.Length;
                if (others.FirstOrDefault() is not { } other) continue;
                transactions[i] = Sign(shard.KeyOf(signer ?? transactions[i].Payload.Actor.Name), transactions[i], other.Arguments);
                entries[i] = isStale ? entries[i] : entries[i] with { TransactionDigest = transactions[i].Digest, Result = other.Result };
            }

            var isGenesis = block.Header.Height == 0;
            forged.Add(isGenesis ? [.. leaves[0]] : (Read<BlockLeaf>(leaves[0]) with { Parent = parent }).Encode());
            forged.AddRange(entries.Select(entry => entry.Encode()));
            foreach (var leaf in forged.Skip((int)tree.Size)) tree.Append(MerkleHash.Leaf(leaf));
            var body = Block.EncodeBody([.. transactions.Select(transaction => transaction.Encoded)]);
            block = isGenesis ? block : Block.Create(block.Header with { Parent = parent, TreeRoot = tree.Root(tree.Size), BodyHash = Digest.Of(body) }, body);
            parent = block.Digest;
            if (!isGenesis) export.Files[ExportLayout.Block((long)block.Header.Height)] = ExportLayout.EncodeBlock(block, export.Finalization(block, 0, 1, 2));
        }

        Assert.Equal(lies.Length, lied);
        var note = export.Checkpoint(tree, tree.Size);
        export.Files[ExportLayout.Checkpoint] = Encoding.UTF8.GetBytes(note.ToString());
        for (var index = 0; index < forged.Count; index++) export.Files[ExportLayout.Receipt(index)] = Encoding.UTF8.GetBytes(new Receipt(forged[index], index, tree.InclusionProof(index, tree.Size), note).ToString());
        return export;
    }

    /// <summary>The method of a call, as pages write it.</summary>
    public static string Name(TransactionPayload call) => string.Create(CultureInfo.InvariantCulture, $"{call.Contract}.{call.Method}");

    private static Transaction Parse(ReadOnlyMemory<byte> bytes)
    {
        Assert.Equal(Rejection.None, Transaction.TryParse(bytes, out var transaction));
        return transaction!;
    }

    private static T Read<T>(ReadOnlyMemory<byte> bytes) where T : Leaf
    {
        Assert.True(Leaf.TryParse(bytes, out var leaf));
        return (T)leaf!;
    }

    private static Transaction Sign(TestKey key, Transaction transaction, byte[] arguments)
    {
        var payload = (transaction.Payload with { Arguments = arguments }).Encode();
        return Parse(Transaction.Assemble(transaction.Algorithm, payload, key.Sign(Transaction.SigStructure(transaction.Algorithm, payload))));
    }
}
