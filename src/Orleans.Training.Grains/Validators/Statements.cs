using System.Collections.Concurrent;
using Orleans.Training.Grains.Blobs;
using Orleans.Training.Grains.History;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;
using Orleans.Training.Protocol.Aggregation;
using Orleans.Training.Protocol.Contracts;
using Orleans.Training.Protocol.Ledger;

namespace Orleans.Training.Grains.Validators;

/// <summary>What a validator says about published models to other people's tools (docs/spec/statement.md), made from the final blocks and the models' blobs.</summary>
/// <param name="genesis">The shard's genesis.</param>
/// <param name="chain">The final blocks.</param>
/// <param name="blobs">Where the models are.</param>
public sealed class Statements(Genesis genesis, CommittedChain chain, IBlobStore blobs)
{
    // A model's file is hashed once, however often it is asked for.
    private readonly ConcurrentDictionary<Digest, Digest> _files = [];
    // Where a model was published, once it has been looked for.
    private readonly ConcurrentDictionary<string, long> _indices = [];

    /// <summary>The model that was published last; null when none was.</summary>
    public ModelRecord? Last
    {
        get
        {
            foreach (var (_, record) in Publications()) return record;
            return null;
        }
    }

    /// <summary>The statement about a round's model, signed; null when there is no such model, or its blob or its entry cannot be had.</summary>
    public async Task<byte[]?> Sign(Digest agreement, int round, ISigner signer, CancellationToken cancellationToken)
    {
        var state = LedgerState.Of(chain.Head).Contracts;
        if (state.Find<ModelRecord>(ModelRecord.Key(agreement, round)) is not { } model || await FileOf(state, model, cancellationToken) is not { } file) return null;
        if (IndexOf(model) is not { } index) return null;
        var statement = ModelStatement.Write(genesis, state, model, index, file);
        var signature = await signer.Sign(StatementBundle.Preimage(statement), cancellationToken);
        return StatementBundle.Write(statement, signer.PublicKey, signature);
    }

    // Null when it was published in a past that is not known here.
    private long? IndexOf(ModelRecord model)
    {
        var key = ModelRecord.Key(model.Agreement, model.Round);
        if (_indices.TryGetValue(key, out var known)) return known;
        foreach (var (index, published) in Publications())
        {
            if (published == model) return _indices[key] = index;
        }

        return null;
    }

    // All of them, the newest first: mostly the last one is asked for. Blocks are read until it is found.
    private IEnumerable<(long Index, ModelRecord Model)> Publications()
    {
        for (var height = chain.Count - 1; height > 0 && height >= chain.First; height--)
        {
            var block = chain[height];
            for (var position = block.Leaves.Count - 1; position >= 0; position--)
            {
                foreach (var item in block.Events[position])
                {
                    if (item is { Type: "ModelPublished", Record: ModelRecord model }) yield return (block.FirstIndex + position, model);
                }
            }
        }
    }

    private async Task<Digest?> FileOf(ContractState state, ModelRecord model, CancellationToken cancellationToken)
    {
        if (_files.TryGetValue(model.Model, out var known)) return known;
        if (await blobs.Find(model.Root, cancellationToken) is null) return null;
        var content = new MemoryStream();
        await blobs.CopyTo(model.Root, content, cancellationToken);
        return Hash();

        Digest? Hash()
        {
            var terms = state.Find<AgreementRecord>(AgreementRecord.Key(model.Agreement))!.Agreement;
            if (!ModelSpec.TryParse(terms.ModelSpec, out var spec) || !ModelBlob.TryRead(spec, content.GetBuffer().AsSpan(0, (int)content.Length), out var parameters)) return null;
            return _files[model.Model] = ModelFile.DigestOf(spec, parameters);
        }
    }
}
