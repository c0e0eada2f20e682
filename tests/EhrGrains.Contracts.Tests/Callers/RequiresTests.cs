using System.Reflection;
using EhrGrains.Contracts.Callers;
using EhrGrains.Contracts.Tenants;

namespace EhrGrains.Contracts.Tests.Callers;

public sealed class RequiresTests
{
    [Fact]
    public void Every_method_of_every_grain_interface_says_what_it_asks_of_its_caller()
    {
        var methods = typeof(IHospitalTenantGrain).Assembly.GetTypes()
            .Where(type => type.IsInterface && typeof(IGrain).IsAssignableFrom(type))
            .SelectMany(type => type.GetMethods())
            .ToList();

        methods.Count.ShouldBeGreaterThan(25);
        methods.Where(method => method.GetCustomAttribute<RequiresAttribute>() is null).ShouldBeEmpty();
    }

    [Fact]
    public void Nothing_but_published_facts_is_public()
    {
        var open = typeof(IHospitalTenantGrain).Assembly.GetTypes()
            .Where(type => type.IsInterface && typeof(IGrain).IsAssignableFrom(type))
            .SelectMany(type => type.GetMethods())
            .Where(method => method.GetCustomAttribute<RequiresAttribute>()?.Permission == Permission.Public)
            .Select(method => $"{method.DeclaringType!.Name}.{method.Name}");

        open.ShouldBe(["IEhrQueryGrain.GetCapabilitiesAsync", "IHospitalTenantGrain.GetJsonWebKeySetAsync"], ignoreOrder: true);
    }
}
