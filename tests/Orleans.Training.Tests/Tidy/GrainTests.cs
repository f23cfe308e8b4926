using System.Reflection;
using Orleans.Training.Grains.Silos;

namespace Orleans.Training.Tests.Tidy;

/// <summary>The rules about grains, and about what crosses between silos.</summary>
public sealed class GrainTests
{
    private static readonly Type[] Types = [.. typeof(TrainingSiloOptions).Assembly.GetTypes().Concat(typeof(GrainTests).Assembly.GetTypes()).Where(type => type.Namespace?.StartsWith("Orleans.Training", StringComparison.Ordinal) is true && !type.Name.Contains('<', StringComparison.Ordinal))];

    private static IEnumerable<Type> GrainClasses => Types.Where(type => type.IsClass && !type.IsAbstract && typeof(IGrainBase).IsAssignableFrom(type));

    private static IEnumerable<Type> GrainInterfaces => Types.Where(type => type.IsInterface && typeof(IAddressable).IsAssignableFrom(type));

    [Fact]
    public void GrainClasses_AreInternalAndSealed() =>
        SourceTests.AssertNone(GrainClasses.Where(type => type.IsVisible || !type.IsSealed).Select(type => $"{type} is not internal sealed"));

    [Fact]
    public void GrainClasses_HaveATypeName() =>
        SourceTests.AssertNone(GrainClasses.Where(type => type.GetCustomAttribute<GrainTypeAttribute>() is null).Select(type => $"{type} has no [GrainType]"));

    [Fact]
    public void GrainClasses_DeriveFromGrainAlone() =>
        SourceTests.AssertNone(GrainClasses.Where(type => type.BaseType != typeof(Grain)).Select(type => $"{type} has a base class of its own"));

    [Fact]
    public void GrainInterfaces_HaveAnAlias() =>
        SourceTests.AssertNone(GrainInterfaces.Where(type => type.GetCustomAttribute<AliasAttribute>(inherit: false) is null).Select(type => $"{type} has no [Alias]"));

    [Fact]
    public void SerializedTypes_HaveAnAlias() =>
        SourceTests.AssertNone(Types.Where(type => type.GetCustomAttribute<GenerateSerializerAttribute>(inherit: false) is not null && type.GetCustomAttribute<AliasAttribute>(inherit: false) is null).Select(type => $"{type} has no [Alias]"));

    [Fact]
    public void Aliases_AreUnique() =>
        SourceTests.AssertNone(Types.Select(type => type.GetCustomAttribute<AliasAttribute>(inherit: false)?.Alias).OfType<string>().GroupBy(alias => alias).Where(group => group.Count() > 1).Select(group => $"{group.Key} is used {group.Count()} times"));
}
